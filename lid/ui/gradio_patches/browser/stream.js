// A stream of answers that ends only when no answer is awaited.
// Gradio (checked in 6.31) reads the answers of all of a page's calls from one stream. The server ends it, by the message
// "close_stream", as soon as it knows of no other call. A call that is just being sent then is accepted while the page
// still takes the stream for open, so the page does not open another, and the answer is never read.
// So the end is held back while a call is on its way, and the stream goes on with another request if there is one to wait
// for. Once the end has been passed on, the replies to calls wait until Gradio has taken note: it aborts the request.
// Check at an upgrade: /queue/join and its "event_id", /queue/data with the messages "process_completed" and
// "close_stream", and that "close_stream" still aborts the request.
(() => {
  const END = 'data: {"msg":"close_stream"', COMPLETED = 'data: {"msg":"process_completed"';
  const NOTICE = 5000;  // ms
  const send = window.fetch;
  const joining = new Set(), awaited = new Set(), early = new Set();  // calls on their way; ids of calls
  let noted = Promise.resolve();

  window.fetch = (...request) => {
    const address = String(request[0]?.url ?? request[0]);
    if (address.includes("/queue/join")) return join(request);
    return address.includes("/queue/data") ? answers(request) : send(...request);
  };
  const join = async (request) => {
    const call = send(...request).then(async (reply) => {
      const { event_id: id } = reply.ok ? await reply.clone().json() : {};
      if (id && !early.delete(id)) awaited.add(id);  // an answer may come before this reply
      return reply;
    });
    joining.add(call);
    try {
      return await call;
    } finally {
      joining.delete(call);
      await noted;
    }
  };
  const answers = async (request) => {
    const reply = await send(...request), signal = request[0].signal ?? request[1]?.signal;
    if (!reply.ok) return reply;
    let reader = reply.body.getReader(), text = "";
    const decoder = new TextDecoder();
    const passOn = async (message, controller) => {
      if (message.startsWith(COMPLETED)) {
        const { event_id: id } = JSON.parse(message.slice("data: ".length));
        if (!awaited.delete(id)) early.add(id);
      }
      if (message.startsWith(END)) {
        while (joining.size) await Promise.allSettled(joining);
        if (awaited.size) {
          reader = (await send(...request)).body.getReader();
          return false;
        }
        noted = new Promise((resolve) => {
          signal?.addEventListener("abort", resolve, { once: true });
          setTimeout(resolve, NOTICE);
        });
      }
      controller.enqueue(new TextEncoder().encode(message));
      return true;
    };
    const pull = async (controller) => {
      for (let given = false; !given;) {  // a stream is asked again only once it has given something
        const { done, value } = await reader.read().catch(lost);
        if (done) return controller.close();
        const messages = (text + decoder.decode(value, { stream: true })).split("\n\n");
        text = messages.pop();
        for (const message of messages) given = await passOn(`${message}\n\n`, controller) || given;
      }
    };
    const cancel = () => reader.cancel().catch(() => {});  // it is gone already
    return new Response(new ReadableStream({ pull, cancel }), { status: reply.status, headers: reply.headers });
  };
  // A stream that fails drops what has not been read of it, such as why the server ends.
  const lost = (error) => new Promise((_, reject) => setTimeout(reject, 100, error));
})();
