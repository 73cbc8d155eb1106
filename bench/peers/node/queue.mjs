// The same job as a queue, for Node.js: fastify accepts into BullMQ, whose
// worker delivers by undici's pool.  An event is acknowledged when Redis has
// it; the id of the job keeps copies out.
//
//   node queue.mjs PORT UPSTREAM-PORT SECRET-FILE REDIS-SOCKET

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { listen, read } from './event.mjs';

// packages stand in the build folder, which is where we are started
const load = createRequire(process.cwd() + '/');
const Redis = load('ioredis');
const { Queue, Worker } = load('bullmq');
const { Pool } = load('undici');

const RETENTION = 7 * 86400, CONCURRENCY = 64;

const [port, upstreamPort, secretFile, redisPath] = process.argv.slice(2);
const secret = readFileSync(secretFile);
const upstream = new Pool(`http://127.0.0.1:${upstreamPort}`,
    { connections: CONCURRENCY, pipelining: 1, keepAliveTimeout: 60000 });
const redis = new Redis({ path: redisPath, enableAutoPipelining: true,
    maxRetriesPerRequest: null });

const queue = new Queue('events', { connection: redis, defaultJobOptions: {
    attempts: 10, backoff: { type: 'exponential', delay: 5000 },
    removeOnComplete: { age: RETENTION }, removeOnFail: false } });

// a worker waits in Redis, so it has a connection of its own
const worker = new Worker('events', async (job) => {
    const answer = await upstream.request({ path: '/events', method: 'POST',
        headers: { 'content-type': 'application/json',
            'idempotency-key': job.id }, body: job.data });
    await answer.body.dump();
    if (answer.statusCode < 200 || answer.statusCode > 299) {
        throw new Error(`status ${answer.statusCode}`);
    }
}, { connection: redis.duplicate(), concurrency: CONCURRENCY });

queue.on('error', () => {});
worker.on('error', () => {});


await listen(load('fastify'), Number(port), async (request, reply) => {
    const { status, id, clean } = read(request, secret);
    if (status) {
        return reply.code(status).send();
    }

    try {
        await queue.add('event', clean, { jobId: id });
    } catch {
        return reply.code(503).send();
    }
    return reply.code(200).send();
});
