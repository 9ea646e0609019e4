// What bundlers for browsers and edge runtimes get instead of the package.
throw new Error(
  'byok-ai runs on Node.js servers only: it is a native addon, and users\' keys must not reach a browser or an edge runtime. Import it in server code (in Next.js: a route handler or server action with `export const runtime = "nodejs"`), and call that from here.',
);
