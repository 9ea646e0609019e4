// One of several processes that share limits over one Redis: it calls as often as it is told, and says how
// many calls were admitted.

const { Redis } = require("ioredis");
const { RedisLimiter } = require("../../dist/limits/redis.js");

const [port, limit, callers, tries] = process.argv.slice(2).map(Number);
const redis = new Redis(port, "127.0.0.1");
const limiter = new RedisLimiter(redis, { timeoutMs: 30_000 });
const claim = {
  rule: 0,
  key: `requests:user=${limit}`,
  counts: "requests",
  units: 1,
  limit,
  windowMs: 34_560_000_000,
  burst: limit,
  periodEndMs: 0,
  leaseMs: 0,
  id: "",
};

async function main() {
  let admitted = 0;
  const call = async () => {
    for (let count = 0; count < tries; count++) {
      const { refused } = await limiter.take([claim]);
      if (refused === undefined) admitted++;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  console.log(admitted);
  redis.disconnect();
}

process.once("message", main);
process.send("ready");
