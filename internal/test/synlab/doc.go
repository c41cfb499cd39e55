// Package synlab records what the kernel it runs on puts into its SYNs and
// SYN+ACKs under the settings that show in them: link size, timestamps, SACK,
// window scaling, buffers, ECN, flow labels, Multipath TCP, TCP Fast Open.
//
// Its captures in testdata/lab are the ground that the Linux part of the
// built-in database stands on. Use it to add a kernel: `make lab` boots those
// of distributions, and
//
//	go test ./internal/test/synlab -run Record -update
//
// as root takes the one of this machine. It is for tests alone and knows
// nothing of other systems. Raw signatures are those of p0f v3 section 3.4.
package synlab
