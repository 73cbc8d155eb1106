/* The same job in njs, without a store (see conf/njs.conf). */

import crypto from 'crypto';

const TOLERANCE = 300;

function project(event) {
    const clean = {id: event.id, type: event.type,
                   createdAt: event.createdAt};
    const data = event.data;

    if (data === null || typeof data !== 'object') {
        return clean;
    }

    clean.data = {orderId: data.orderId, currency: data.currency,
                  amount: data.amount};

    if (Array.isArray(data.items)) {
        clean.data.items = data.items.map(
            (item) => ({sku: item.sku, qty: item.qty}));
    }

    return clean;
}


function verified(r) {
    const timestamp = r.headersIn['X-Plum-Timestamp'];
    const signature = r.headersIn['X-Plum-Signature'];

    if (!timestamp || !signature || !/^\d+$/.test(timestamp)
        || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE)
    {
        return false;
    }

    const mac = crypto.createHmac('sha256', r.variables.secret)
        .update(timestamp + '.').update(r.requestBuffer).digest('hex');

    return mac === signature;
}


async function handle(r) {
    if (!verified(r)) {
        r.return(401);
        return;
    }

    let clean;

    try {
        const event = JSON.parse(r.requestText);

        if (typeof event.id !== 'string') {
            r.return(400);
            return;
        }

        clean = JSON.stringify(project(event));

    } catch (e) {
        r.return(400);
        return;
    }

    const reply = await r.subrequest('/upstream',
                                     {method: 'POST', body: clean});
    r.return(reply.status, reply.responseText || '');
}


export default {handle};
