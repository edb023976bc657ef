import { describe, expect, it } from 'vitest'
import { parseArguments } from './parse-arguments.ts'

describe('command line', () => {
  it('starts with what it is given and nothing else', () => {
    const nothing = {
      config: undefined,
      port: undefined,
      host: undefined,
      dataDirectory: undefined,
      watchConfig: false,
    }
    expect(parseArguments([])).toEqual({ kind: 'start', ...nothing })
    const argv = ['--config', 'a.yaml', '--port=0', '--host', '::1', '--data-dir', '/d', '--watch-config']
    expect(parseArguments(argv)).toEqual({
      kind: 'start',
      config: 'a.yaml',
      port: 0,
      host: '::1',
      dataDirectory: '/d',
      watchConfig: true,
    })
  })

  it.each([
    [['config', 'check', 'a.yaml'], { kind: 'check', config: 'a.yaml' }],
    [['config', 'check'], { kind: 'check', config: undefined }],
    [['config', 'check', '-c', 'a.yaml'], { kind: 'check', config: 'a.yaml' }],
    [
      ['keys', 'rotate-encryption', '--data-dir', '/d'],
      { kind: 'rotate-encryption', config: undefined, dataDirectory: '/d' },
    ],
    [['--help'], { kind: 'help' }],
    [['config', 'check', '-h'], { kind: 'help' }],
    [['--version'], { kind: 'version' }],
  ])('%j', (argv, command) => {
    expect(parseArguments(argv)).toEqual(command)
  })

  it.each([
    [['--prot', '1'], "Unknown option '--prot'. Try --help."],
    [['--port', 'http'], '--port must be a number from 0 to 65535. Try --help.'],
    [['--port'], "Option '-p, --port <value>' argument missing. Try --help."],
    [['serve'], "Unknown command 'serve'. Try --help."],
    [['config', 'chekc'], "Unknown command 'config chekc'. Try --help."],
    [['keys', 'rotate-encryption', 'a'], 'keys rotate-encryption takes options only. Try --help.'],
    [['config', 'check', 'a', 'b'], 'config check takes one file. Try --help.'],
  ])('%j is refused in one line', (argv, message) => {
    expect(parseArguments(argv)).toEqual({ kind: 'invalid', message })
  })
})
