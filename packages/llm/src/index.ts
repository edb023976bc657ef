export { permitsModel } from './model-access.ts'
export {
  type ChatStreamLoopOptions,
  type LoopHooks,
  relayChatStream,
  type RenderError,
  streamToolLoop,
} from './chat-stream.ts'
export {
  type Deployment,
  type DeploymentEntry,
  type DeploymentIssue,
  deploymentSchema,
  toDeployment,
  type ToDeploymentOptions,
} from './deployment.ts'
export { chatDialect } from './dialects/chat.ts'
export type { AnswerParts, CallArguments, Dialect, ToolOutcome, Turn, TurnCall } from './dialects/dialect.ts'
export type { Approval, LoopTool } from './loop-tool.ts'
export {
  createModels,
  type Generation,
  type ModelCall,
  type ModelRequest,
  type Models,
  type ModelsOptions,
} from './models.ts'
export { providers } from './providers/index.ts'
export type { LlmProvider, ProviderOptions, ProviderPlug } from './providers/provider.ts'
export { streamWithOutcomes, withOutcomes } from './server-outcomes.ts'
export {
  type AttachedTool,
  type AttachedTools,
  attachTools,
  type ListedTool,
  type ListTools,
  type ToolListing,
} from './tool-attachment.ts'
export type { CallTool } from './tool-execution.ts'
export {
  defaultLoopLimits,
  type LoopAnswer,
  type LoopLimits,
  type LoopRound,
  type RoundContext,
  runToolLoop,
  type ToolLoopOptions,
} from './tool-loop.ts'
export { type FunctionSource, toFunctionNames, toFunctionTool, toResultText } from './tool-mapping.ts'
export { type LimitReached, withoutReports } from './tool-report.ts'
export {
  resolveApproval,
  type SelectedTools,
  selectTools,
  type SelectToolsOptions,
  type ToolSelection,
} from './tool-selection.ts'
export { createTurnRecords, type TurnRecord, type TurnRecordBounds, type TurnRecords } from './turn-records.ts'
