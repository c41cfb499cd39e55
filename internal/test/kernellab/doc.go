// Command kernellab boots a Linux kernel in an emulated machine and keeps the
// SYNs and SYN+ACKs it makes.
//
//	kernellab -kernel vmlinuz -init guest -module veth.ko -package "debian linux-image-… 6.12.117-1" -ram 8192,256,512 -out testdata/lab
//
// The machine's only process is the program of the folder guest: it opens
// connections to itself under every setting of package synlab and writes the
// packets to a serial line. The first size of memory is that of the machine
// that records all settings; with the others only the default is recorded,
// which is enough to see what the kernel makes of its memory. A kernel without
// the module of veth, as some packages come, records over its loopback.
//
// With -root it runs a command in the machine instead, for what a limit of this
// one forbids (`make lab-idle`).
//
// Use it through `make lab`, whose script fetches the kernels. It wants
// qemu-system-x86_64; no network, no root and no disk image. It does not know
// where kernels come from.
package main
