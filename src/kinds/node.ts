import type { KindContext } from './context.ts';

/** `COLONIES_NODE_NAME` for containers: the agent's own variable, else its configured node, else the host name. */
export function nodeName(context: KindContext): string {
  return context.agentEnvironment.COLONIES_NODE_NAME || context.node || context.hostName;
}

/** `COLONIES_NODE_LOCATION` for containers: the agent's own variable, else its configured location, else `default`. */
export function nodeLocation(context: KindContext): string {
  return context.agentEnvironment.COLONIES_NODE_LOCATION || context.location || 'default';
}
