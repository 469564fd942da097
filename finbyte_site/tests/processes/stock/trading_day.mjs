// A trading day with the stock JavaScript client, as its users write it.
//
// It reads one JSON line of settings on stdin, asks `LOGIN <address>` and `RESTART` on stdout, and
// prints at the end what it did.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { KiteConnect, KiteTicker } from 'kiteconnect';

const ONGC = 'NSE:ONGC', NIFTY = 'NSE:NIFTY 50', ONGC_TOKEN = 633601, NIFTY_TOKEN = 256265;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const done = [];
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const note = (step) => { done.push(step); console.error(`done ${step}`); };

async function ask(words) {
  process.stdout.write(words + '\n');
  return (await lines.next()).value.trim();
}

/** Call the client with room between its calls. */
const call = async (method, ...rest) => { await pause(120); return kc[method](...rest); };

async function fails(errorType, act) {
  let found;
  try { await act(); } catch (error) { found = error; }
  assert.equal(found?.error_type, errorType, JSON.stringify(found));
  return found;
}

async function until(isSo, what, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  while (!(await isSo())) {
    assert(Date.now() < end, `not within ${seconds} s: ${what}`);
    await pause(50);
  }
}

async function status(orderId, wanted) {
  let last;
  await until(async () => {
    last = (await call('getOrderHistory', orderId)).at(-1);
    return last.status === wanted;
  }, `${orderId} ${wanted}`);
  return last;
}

const settings = JSON.parse((await lines.next()).value);
const kc = new KiteConnect({ api_key: settings.api_key, root: settings.root });
kc.default_login_uri = settings.root + '/connect/login';

// Log in.
const requestToken = await ask('LOGIN ' + kc.getLoginURL());
await fails('TokenException', () => kc.generateSession(requestToken, 'wrong'));
const session = await kc.generateSession(requestToken, settings.api_secret);
kc.setAccessToken(session.access_token);
assert.equal(session.api_key, settings.api_key);
note('log in');

// Look around.
assert.equal((await call('getProfile')).user_type, 'individual');
const margins = await call('getMargins');
assert.equal(margins.equity.net, 1000000);
assert.equal((await call('getMargins', 'commodity')).enabled, false);
const rows = await call('getInstruments', ['NSE']);
const ongc = rows.find((row) => row.tradingsymbol === 'ONGC');
assert.equal(Number(ongc.instrument_token), ONGC_TOKEN);
assert(rows.every((row) => row.exchange === 'NSE'), 'no junk row');
assert((await call('getInstruments')).length > rows.length);
note('instruments');

const quotes = await call('getQuote', [ONGC, NIFTY]);
assert.equal(quotes[ONGC].depth.buy.length, 5);
assert(quotes[ONGC].timestamp instanceof Date);
const last = (await call('getLTP', ONGC))[ONGC].last_price;
assert(last > 0);
assert((await call('getOHLC', [ONGC]))[ONGC].ohlc.close > 0);
const to = new Date(), from = new Date(to - 2 * 86400e3);
await pause(400);
const candles = await kc.getHistoricalData(ONGC_TOKEN, 'minute', from, to, false, true);
assert(candles.length > 0 && candles[0].date instanceof Date, JSON.stringify(candles[0]));
note('quotes and candles');

// Trade.
const at = (factor) => Math.round(Math.round((last * factor) / 0.05) * 5) / 100;
const base = { exchange: 'NSE', tradingsymbol: 'ONGC', product: 'CNC', quantity: 10 };
const bought = await call('placeOrder', 'regular', { ...base, transaction_type: 'BUY', order_type: 'MARKET', tag: 'js1', trigger_price: null });
assert.equal(typeof bought.order_id, 'string');
assert.equal((await status(bought.order_id, 'COMPLETE')).filled_quantity, 10);
assert.equal((await call('getOrderTrades', bought.order_id)).reduce((sum, each) => sum + each.quantity, 0), 10);
assert((await call('getTrades')).length > 0);
const resting = await call('placeOrder', 'regular', { ...base, transaction_type: 'BUY', order_type: 'LIMIT', price: at(0.97) });
await status(resting.order_id, 'OPEN');
await call('modifyOrder', 'regular', resting.order_id, { price: at(0.96), quantity: 12 });
await until(async () => (await call('getOrders')).find((row) => row.order_id === resting.order_id).quantity === 12, 'the change');
await call('cancelOrder', 'regular', resting.order_id);
await status(resting.order_id, 'CANCELLED');
await fails('OrderException', () => call('cancelOrder', 'regular', resting.order_id));
const stop = await call('placeOrder', 'regular', { ...base, transaction_type: 'SELL', order_type: 'SL-M', trigger_price: at(0.95), market_protection: -1 });
await status(stop.order_id, 'TRIGGER PENDING');
await call('cancelOrder', 'regular', stop.order_id);
await fails('InputException', () => call('placeOrder', 'regular', { ...base, tradingsymbol: 'NOTHING', transaction_type: 'BUY', order_type: 'MARKET' }));
const poor = await fails('MarginException', () => call('placeOrder', 'regular', { ...base, quantity: 900000, transaction_type: 'BUY', order_type: 'LIMIT', price: at(1) }));
assert.equal(poor.data.asset, 'INR');
note('orders');

const positions = await call('getPositions');
assert.equal(positions.net[0].quantity, 10);
assert.equal(await call('convertPosition', { exchange: 'NSE', tradingsymbol: 'ONGC', transaction_type: 'BUY', position_type: 'day', quantity: 2, old_product: 'CNC', new_product: 'MIS' }), true);
assert.deepEqual(await call('getHoldings'), []);
const order = { exchange: 'NSE', tradingsymbol: 'ONGC', transaction_type: 'BUY', variety: 'regular', product: 'CNC', order_type: 'LIMIT', quantity: 10, price: at(1) };
assert((await call('orderMargins', [order]))[0].total > 0);
assert((await call('orderBasketMargins', [order])).final.total > 0);
assert((await call('getvirtualContractNote', [{ ...order, order_id: '1', average_price: at(1) }]))[0].charges.total >= 0);
note('positions, margins and charges');

const leg = { transaction_type: 'SELL', quantity: 2, product: 'CNC', order_type: 'LIMIT', price: at(0.9) };
const gtt = await call('placeGTT', { trigger_type: 'two-leg', tradingsymbol: 'ONGC', exchange: 'NSE', trigger_values: [at(0.9), at(1.1)], last_price: last, orders: [leg, { ...leg, price: at(1.1) }] });
assert.equal((await call('getGTTs'))[0].id, gtt.trigger_id);
await call('modifyGTT', gtt.trigger_id, { trigger_type: 'single', tradingsymbol: 'ONGC', exchange: 'NSE', trigger_values: [at(0.88)], last_price: last, orders: [leg] });
assert.equal((await call('getGTT', gtt.trigger_id)).type, 'single');
await call('deleteGTT', gtt.trigger_id);
assert.deepEqual(await call('getMFOrders'), []);
note('gtt');

// Stream.
const ticker = new KiteTicker({ api_key: settings.api_key, access_token: session.access_token, root: settings.ws_root + '/' });
let ticks = [], updates = [], connects = 0;
ticker.autoReconnect(true, 20, 5);
ticker.on('ticks', (found) => { ticks.push(...found); });
ticker.on('order_update', (found) => updates.push([Date.now(), found]));
ticker.on('connect', () => {
  connects += 1;
  ticker.subscribe([ONGC_TOKEN, NIFTY_TOKEN]);
  ticker.setMode(ticker.modeFull, [ONGC_TOKEN]);
});
ticker.connect();
const saw = (token, mode) => ticks.some((each) => each.instrument_token === token && (!mode || each.mode === mode));
await until(() => saw(ONGC_TOKEN, 'full') && saw(NIFTY_TOKEN), 'ticks');
for (const mode of [ticker.modeLTP, ticker.modeQuote]) {
  ticker.setMode(mode, [ONGC_TOKEN]);
  await until(() => saw(ONGC_TOKEN, mode), mode);
}
note('ticker modes');
const before = Date.now();
const watched = await kc.placeOrder('regular', { ...base, quantity: 1, transaction_type: 'BUY', order_type: 'MARKET' });
const placed = Date.now();
const mine = () => updates.filter(([, each]) => each.order_id === watched.order_id);
await until(() => mine().at(-1)?.[1].status === 'COMPLETE', 'order updates');
const updateSeconds = Math.max(mine()[0][0] - placed, 0) / 1000;
assert(mine()[0][0] >= before);
note('order updates');
// Its watchdog drops a link on which nothing comes for five seconds: the heartbeat keeps it.
ticker.unsubscribe([ONGC_TOKEN, NIFTY_TOKEN]);
const links = connects;
await pause(7000);
assert.equal(connects, links);
note('heartbeat');
await ask('RESTART');
await until(() => connects > links, 'a new connection', 60);
ticks = [];
await until(() => saw(ONGC_TOKEN, 'full') && saw(NIFTY_TOKEN), 'ticks after the restart', 20);
note('ticker after a restart');
ticker.autoReconnect(false);
ticker.disconnect();

assert.equal(await call('invalidateAccessToken', session.access_token), true);
await fails('TokenException', () => call('getProfile'));
note('log out');
process.stdout.write(JSON.stringify({ done, update_seconds: updateSeconds }) + '\n');
process.exit(0);
