/** Milliseconds of this thread's own work: what else the machine does meanwhile does not count. For how a cost grows. */
export async function threadTimeOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.threadCpuUsage()
  await work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}
