// What the two peers have in common: an event is verified, parsed, stripped.

import { createHmac, timingSafeEqual } from 'node:crypto';

const TOLERANCE = 300;


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


function verified(headers, body, secret) {
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


// { id, clean }, or { status } of a refusal

export function read(request, secret) {
    const body = request.body;
    if (!verified(request.headers, body, secret)) {
        return { status: 401 };
    }

    try {
        const event = JSON.parse(body);
        const clean = JSON.stringify(project(event));
        return typeof event.id === 'string' ? { id: event.id, clean }
            : { status: 400 };
    } catch {
        return { status: 400 };
    }
}


export async function listen(fastify, port, handle) {
    const app = fastify({ logger: false, bodyLimit: 1 << 20,
        keepAliveTimeout: 75000 });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'buffer' },
        (request, body, done) => done(null, body));
    app.post('/events', handle);
    await app.listen({ host: '127.0.0.1', port, backlog: 1024 });
}
