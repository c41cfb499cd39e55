// Everything is relayed to the recorder.
exports.hook_connect = (next, connection) => { connection.relaying = true; next(); };
exports.hook_rcpt = (next) => next(OK);
exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: process.env.MX, port: +process.env.MXPORT });
