/** Longest times of the engine's calls, in milliseconds. */
export interface Deadlines {
  versionMs: number;
  listMs: number;
  inspectMs: number;
  createMs: number;
  startMs: number;
  /** On top of the time the container gets for stopping. */
  stopExtraMs: number;
  removeMs: number;
  /** Rename, update, unpause, networks. */
  changeMs: number;
  /** Until the event stream's headers are there. */
  eventsOpenMs: number;
  /** A pull in which nothing has moved for this long has failed; there is no limit on the whole. */
  pullStallMs: number;
}

export const DEFAULT_DEADLINES: Deadlines = {
  versionMs: 5_000,
  listMs: 10_000,
  inspectMs: 5_000,
  createMs: 60_000,
  startMs: 60_000,
  stopExtraMs: 20_000,
  removeMs: 60_000,
  changeMs: 30_000,
  eventsOpenMs: 5_000,
  pullStallMs: 120_000,
};
