// The databases that stores are tested on: how each store is made over a real server, emptied, cut off, and
// how somebody with access to the database edits what it holds. The servers are those of
// scripts/services.mjs; see there for the variables that name them.

import type { Tested } from "./databases/database.js";
import { MONGODB } from "./databases/mongodb.js";
import { MYSQL } from "./databases/mysql.js";
import { POSTGRES } from "./databases/postgres.js";
import { PRISMA } from "./databases/prisma.js";
import { REDIS } from "./databases/redis.js";

export type { Database, Tested } from "./databases/database.js";

/** The slow ones first: they are tested at once. */
export const DATABASES: Tested[] = [...MONGODB, ...PRISMA, ...POSTGRES, ...MYSQL, ...REDIS];
