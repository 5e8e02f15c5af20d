export { findCycle } from '../model/graph.ts';
export { type BindPrefixMap, mapBindPath } from './bind-map.ts';
export type { KindContext } from './context.ts';
export { checkGraph } from './graph.ts';
export { executorNames, isOurs, type Ownership } from './ours.ts';
export { BUILTIN_OVERLAYS, loadOverlays, type Overlay } from './overlay.ts';
export { DEFAULT_POLICY, loadPolicy, type Policy } from './policy.ts';
export { resolveBlueprint } from './resolve.ts';
