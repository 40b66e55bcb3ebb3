// Why a call failed: lidFailure() gives "busy", "restarting" or "broken".
// Gradio (checked in 6.31) runs an event's `failure` listeners without a reason. It calls with `window.fetch`: a full
// queue answers /queue/join with 503, and the answers come as a stream from /queue/data. Check at an upgrade: these two
// addresses, and that the calls still go through `window.fetch`.
(() => {
  let failure = "broken";
  const send = window.fetch;
  window.fetch = async (...request) => {
    const reply = await send(...request), address = String(request[0]?.url ?? request[0]);
    if (address.includes("/queue/join")) failure = reply.status === 503 ? "busy" : "broken";
    if (address.includes("/queue/data")) watchForReason(reply.clone());
    return reply;
  };
  const watchForReason = async (reply) => {
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        for (const why of ["restarting", "busy"]) if (piece.value.includes(window.lidWords.en[why])) failure = why;
      }
    } catch {}  // the connection is lost; Gradio tells those who wait for answers
  };
  window.lidFailure = () => failure;
})();
