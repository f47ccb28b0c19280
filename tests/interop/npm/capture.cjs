// Captures documents with epcis2.js, an independent client, polls its jobs and reads every event back.
//
//   node capture.cjs BASE CAPTURE_TOKEN READER_TOKEN FILE...
//
// Prints one JSON array: of each file its name, the job, and for each event of it the answer to GET /events/{eventID} as it came.

'use strict';

const fs = require('node:fs');
const { CaptureResponse, EPCISDocument, capture, setup } = require('epcis2.js');

const [base, captureToken, readerToken, ...files] = process.argv.slice(2);
const TRIES = 600;
const PAUSE_MS = 50;

setup({
  apiUrl: base,
  headers: { 'content-type': 'application/ld+json', authorization: `Bearer ${captureToken}` },
});

async function readBack(eventID) {
  const headers = {
    authorization: `Bearer ${readerToken}`,
    accept: 'application/ld+json',
    'GS1-EPC-Format': 'Never_Translates',
  };
  for (let tries = 0; tries < TRIES; tries += 1) {
    const response = await fetch(`${base}/events/${encodeURIComponent(eventID)}`, { headers });
    if (response.status !== 404) return { status: response.status, body: await response.text() };
    await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });
  }
  return { status: 404, body: '' };
}

async function one(file) {
  const given = new EPCISDocument(JSON.parse(fs.readFileSync(file, 'utf8')));
  let doubts = null; // of the client's own, older schema
  try {
    given.isValid();
  } catch (error) {
    doubts = String(error);
  }
  const response = await capture(given, { documentValidation: doubts === null });
  if (response.status !== 202) return { file, status: response.status, problem: await response.text() };
  const job = new CaptureResponse(response);
  await job.pollForTheCaptureToFinish(TRIES, PAUSE_MS);
  const said = await job.getCaptureJob();
  const events = [];
  for (const told of said['custody:events']) {
    events.push({ place: told.place, ...(await readBack(told.eventID)) });
  }
  return {
    file,
    doubts,
    status: response.status,
    running: job.getRunningStatus(),
    success: job.getSuccessStatus(),
    errors: job.getErrors(),
    events,
  };
}

(async () => {
  const found = [];
  for (const file of files) {
    try {
      found.push(await one(file));
    } catch (error) {
      found.push({ file, status: 0, problem: String(error) });
    }
  }
  process.stdout.write(JSON.stringify(found));
})();
