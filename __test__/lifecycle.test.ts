// The lifecycle suite on the debug build. `package/lifecycle.test.ts` runs it on the release build.

import { lifecycleSuite } from "./support/lifecycle.js";

lifecycleSuite("debug");
