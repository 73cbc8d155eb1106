// The same job for Node.js: fastify, ioredis with automatic pipelining, and
// undici's pool towards the upstream.
//
//   node gateway.mjs PORT UPSTREAM-PORT SECRET-FILE REDIS-SOCKET

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { listen, read } from './event.mjs';

// packages stand in the build folder, which is where we are started
const load = createRequire(process.cwd() + '/');
const Redis = load('ioredis');
const { Pool } = load('undici');

const LEASE = 30, RETENTION = 7 * 86400;

const [port, upstreamPort, secretFile, redisPath] = process.argv.slice(2);
const secret = readFileSync(secretFile);
const upstream = new Pool(`http://127.0.0.1:${upstreamPort}`,
    { connections: 64, pipelining: 1, keepAliveTimeout: 60000 });
const redis = new Redis({ path: redisPath, enableAutoPipelining: true,
    commandTimeout: 500, maxRetriesPerRequest: 0 });

redis.on('error', () => {});      // shows as 503 of the events


async function forward(clean) {
    try {
        const answer = await upstream.request({ path: '/events',
            method: 'POST', headers: { 'content-type': 'application/json' },
            body: clean });
        await answer.body.dump();
        return answer.statusCode;
    } catch {
        return 502;
    }
}


async function handle(request, reply) {
    const { status: refused, id, clean } = read(request, secret);
    if (refused) {
        return reply.code(refused).send();
    }

    const key = `plum:${id}`;
    let state;
    try {
        state = await redis.set(key, 'p', 'EX', LEASE, 'NX', 'GET');
    } catch {
        return reply.code(503).send();
    }
    if (state !== null) {
        return reply.code(state === 'd' ? 200 : 409).send();
    }

    const status = await forward(clean);

    // the claim lapses by itself if this fails
    const settled = status >= 200 && status < 300
        ? redis.set(key, 'd', 'EX', RETENTION) : redis.del(key);
    settled.catch(() => {});
    return reply.code(status).send();
}


await listen(load('fastify'), Number(port), handle);
