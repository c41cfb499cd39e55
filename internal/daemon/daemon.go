// Package daemon is the life of mxprint's daemons: serve and proxy, from their
// settings to their end, and the command that stands in for p0f.
//
//	settings, err := daemon.Load(cfg)         // reads files, opens nothing
//	opened, err := settings.Open(process, …)  // sources, logs, sockets
//	dropped, err := opened.Drop()             // privileges, files
//	err = dropped.Serve(ctx)                  // READY, and the answers
//
// The types cannot be called in another order.
package daemon
