// Sends events.json with the official SDK for JavaScript through kafkajs.
// Usage: produce.js BROKER TOPIC TIME EVENTS
"use strict";

const fs = require("node:fs");
const { CloudEvent, Kafka: Binding } = require("cloudevents");
const { Kafka, logLevel } = require("kafkajs");

const cut = "🙂".slice(0, 1); // half a character

function withJavaScriptValues(event) {
  const data = { ...event.data, preview: "cut in the middle " + cut };
  if (event.type === "usage.token.v1") {
    data.cost_usd = String(0.00000035);
  }
  return data;
}

// In binary mode the SDK leaves data as an object and gives headers without a value: kafkajs takes neither.
function forKafkajs(message) {
  const given = Object.entries(message.headers).filter(([, value]) => value !== undefined);
  return { ...message, headers: Object.fromEntries(given), value: JSON.stringify(message.value) };
}

function messages(event, time) {
  const data = withJavaScriptValues(event);
  const sentIn = (mode) => new CloudEvent({
    id: event.id, source: `/sdks/javascript/${mode}`, type: event.type, time, datacontenttype: "application/json",
    partitionkey: data.org_id, data,
  });
  return [Binding.structured(sentIn("structured")), forKafkajs(Binding.binary(sentIn("binary")))];
}

async function main(broker, topic, time, file) {
  const events = JSON.parse(fs.readFileSync(file, "utf8"));
  const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR });
  const producer = kafka.producer();
  await producer.connect();
  for (let round = 0; round < 2; round++) { // a retry sends the same again
    await producer.send({ topic, acks: -1, messages: events.flatMap((event) => messages(event, time)) });
  }
  await producer.disconnect();
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
