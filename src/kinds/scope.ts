import type { Blueprint } from '../model/blueprint.ts';
import type { KindContext } from './context.ts';
import type { Problems } from './fields.ts';

/** What every reader of one blueprint's fields is handed. */
export interface Scope {
  blueprint: Blueprint;
  context: KindContext;
  problems: Problems;
}

/** Container names, as the engine takes them. */
export const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** Names of networks and volumes. */
export const OBJECT_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** One label of a DNS name. */
export const DNS_LABEL = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;
