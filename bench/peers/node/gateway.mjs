// The same job for Node.js: fastify, ioredis with automatic pipelining, and
// undici's pool towards the upstream.
//
//   node gateway.mjs PORT UPSTREAM-PORT SECRET-FILE REDIS-SOCKET

import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// packages stand in the build folder, which is where we are started
const load = createRequire(process.cwd() + '/');
const fastify = load('fastify');
const Redis = load('ioredis');
const { Pool } = load('undici');

const TOLERANCE = 300, LEASE = 30, RETENTION = 7 * 86400;

const [port, upstreamPort, secretFile, redisPath] = process.argv.slice(2);
const secret = readFileSync(secretFile);
const upstream = new Pool(`http://127.0.0.1:${upstreamPort}`,
    { connections: 64, pipelining: 1, keepAliveTimeout: 60000 });
const redis = new Redis({ path: redisPath, enableAutoPipelining: true,
    commandTimeout: 500, maxRetriesPerRequest: 0 });

redis.on('error', () => {});      // shows as 503 of the events


function project(event) {
    const clean = { id: event.id, type: event.type,
        createdAt: event.createdAt };
    const data = event.data;

    if (data === null || typeof data !== 'object') {
        return clean;
    }

    clean.data = { orderId: data.orderId, currency: data.currency,
        amount: data.amount };
    if (Array.isArray(data.items)) {
        clean.data.items = data.items.map(({ sku, qty }) => ({ sku, qty }));
    }
    return clean;
}


function verified(headers, body) {
    const timestamp = headers['x-plum-timestamp'];
    const signature = headers['x-plum-signature'];

    if (!timestamp || !signature || !/^\d+$/.test(timestamp)
        || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) {
        return false;
    }

    const mac = createHmac('sha256', secret).update(timestamp + '.')
        .update(body).digest();
    const given = Buffer.from(signature, 'hex');
    return given.length === mac.length && timingSafeEqual(mac, given);
}


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
    const body = request.body;
    if (!verified(request.headers, body)) {
        return reply.code(401).send();
    }

    let event, clean;
    try {
        event = JSON.parse(body);
        clean = JSON.stringify(project(event));
    } catch {
        return reply.code(400).send();
    }
    if (typeof event.id !== 'string') {
        return reply.code(400).send();
    }

    const key = `plum:${event.id}`;
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


const app = fastify({ logger: false, bodyLimit: 1 << 20,
    keepAliveTimeout: 75000 });
app.removeAllContentTypeParsers();
app.addContentTypeParser('application/json', { parseAs: 'buffer' },
    (request, body, done) => done(null, body));
app.post('/events', handle);
await app.listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 });
