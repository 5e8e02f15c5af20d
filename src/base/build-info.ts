// Put in by the bundler (`build/bundle.mjs`); undefined when sources run unbundled, as tests do.
declare const COLONIES_EDGE_VERSION: string | undefined;
declare const COLONIES_EDGE_COMMIT: string | undefined;
declare const COLONIES_EDGE_BUILD_DATE: string | undefined;

/** What this program was built from; `commit` is "unknown" and `buildDate` (RFC 3339) empty in an unbundled run. */
export const buildInfo = {
  version: typeof COLONIES_EDGE_VERSION === 'string' ? COLONIES_EDGE_VERSION : '0.0.0',
  commit: typeof COLONIES_EDGE_COMMIT === 'string' ? COLONIES_EDGE_COMMIT : 'unknown',
  buildDate: typeof COLONIES_EDGE_BUILD_DATE === 'string' ? COLONIES_EDGE_BUILD_DATE : '',
};
