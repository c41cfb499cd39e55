//go:build !linux

package daemon

func holder(network, addr string) (listens bool, pid int, name string) { return false, 0, "" }
