// The lifecycle suite on the release build, which optimises, strips and unwinds differently.

import { lifecycleSuite } from "../support/lifecycle.js";

lifecycleSuite("release");
