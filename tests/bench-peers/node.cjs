// Request and reply with amqplib: `node.cjs server` answers, `node.cjs client` asks.
//
// The client publishes with confirms and reads over direct reply-to; a call ends when both are there. The queue
// "bench.quorum" is a quorum queue with persistent messages, "bench.classic" isn't durable. The environment is that of
// common.py.

"use strict";

const { randomUUID } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { createInterface } = require("node:readline");
const amqp = require("amqplib");

const QUEUES = {
  "bench.quorum": { durable: true, arguments: { "x-queue-type": "quorum" } },
  "bench.classic": { durable: false },
};
const PREFETCH = 256;
const REPLY_TO = "amq.rabbitmq.reply-to";

const jobs = JSON.parse(readFileSync(process.env.BENCH_JOBS, "utf8"));
const sayReady = () => console.log("ready");

function connect() {
  return amqp.connect(process.env.BENCH_AMQP_URL, { noDelay: true });
}

async function serve() {
  const channel = await (await connect()).createChannel();
  await channel.prefetch(PREFETCH);
  for (const [queue, options] of Object.entries(QUEUES)) {
    await channel.assertQueue(queue, options);
    await channel.consume(queue, (request) => {
      JSON.parse(request.content);
      const { type, correlationId, replyTo } = request.properties;
      channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(jobs[type].reply)), { correlationId });
      channel.ack(request);
    });
  }
  process.stdin.on("end", () => process.exit(0)).resume();
  sayReady();
}

/** Sends one request; resolves once it is confirmed and answered. */
function call(channel, waiting, queue, action, parameters) {
  return new Promise((resolve, reject) => {
    const correlationId = randomUUID();
    let isConfirmed = false;
    let reply;
    const end = () => {
      if (isConfirmed && reply) resolve(reply);
    };
    waiting.set(correlationId, (body) => {
      reply = JSON.parse(body);
      end();
    });
    const options = {
      type: action,
      correlationId,
      messageId: correlationId,
      replyTo: REPLY_TO,
      mandatory: true,
      persistent: QUEUES[queue].durable,
      contentType: "application/json",
    };
    channel.publish("", queue, Buffer.from(JSON.stringify(parameters)), options, (failure) => {
      if (failure) reject(failure);
      isConfirmed = true;
      end();
    });
  });
}

/** So many loops, each of which asks again as soon as it is answered. */
async function closedLoop(ask, job, inFlight, seconds) {
  const latencies = [];
  const started = performance.now();
  const work = async (worker) => {
    for (let turn = worker; performance.now() - started < seconds * 1e3; turn += inFlight) {
      const begun = performance.now();
      const parameters = { ...job.requests[turn % job.requests.length] };
      if (job.fresh) parameters[job.fresh] = `b${randomUUID().replaceAll("-", "")}`;
      const reply = await ask(parameters);
      if (reply.result !== "OK") throw new Error(`the answer was ${JSON.stringify(reply)}`);
      latencies.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, worker) => work(worker)));
  const elapsed = performance.now() - started;
  latencies.sort((one, other) => one - other);
  const percentile = (percent) => latencies[Math.floor(((latencies.length - 1) * percent) / 100)];
  return { operations: latencies.length, seconds: elapsed / 1e3, p50_ms: percentile(50), p99_ms: percentile(99) };
}

async function ask() {
  const channel = await (await connect()).createConfirmChannel();
  const waiting = new Map();
  const take = (reply) => {
    const { correlationId } = reply.properties;
    waiting.get(correlationId)?.(reply.content);
    waiting.delete(correlationId);
  };
  await channel.consume(REPLY_TO, take, { noAck: true });
  sayReady();
  for await (const line of createInterface({ input: process.stdin })) {
    const { action, queue, in_flight: inFlight, seconds } = JSON.parse(line);
    const one = (parameters) => call(channel, waiting, queue, action, parameters);
    console.log(JSON.stringify(await closedLoop(one, jobs[action], inFlight, seconds)));
  }
  process.exit(0);
}

({ server: serve, client: ask })[process.argv[2]]().catch((failure) => {
  console.error(failure);
  process.exit(1);
});
