import { Counter, type Registry } from 'prom-client'

/** The metrics of deployments and guardrails: names and ids of the operator's file, so their series are as many as its entries. */
export interface ModelMetrics {
  observeAttempt(attempt: { model: string; deployment: string; outcome: string }): void
  countCooldown(cooldown: { model: string; deployment: string }): void
  countDecision(decision: { guardrail: string; mode: string; outcome: string }): void
}

export function createModelMetrics(registry: Registry): ModelMetrics {
  const registers = [registry]
  const attempts = new Counter({
    name: 'toolgate_model_attempts_total',
    help: 'Requests to deployments of models by outcome; one request of a client may be several.',
    labelNames: ['model', 'deployment', 'outcome'],
    registers,
  })
  const cooldowns = new Counter({
    name: 'toolgate_model_cooldowns_total',
    help: 'How often a deployment of a model was left alone for a while because it failed.',
    labelNames: ['model', 'deployment'],
    registers,
  })
  const decisions = new Counter({
    name: 'toolgate_guardrail_decisions_total',
    help: 'Decisions of guardrails about calls to models and servers.',
    labelNames: ['guardrail', 'mode', 'outcome'],
    registers,
  })
  return {
    countDecision: (decision) => decisions.inc(decision),
    observeAttempt: (attempt) => attempts.inc(attempt),
    countCooldown: (cooldown) => cooldowns.inc(cooldown),
  }
}
