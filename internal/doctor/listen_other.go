//go:build !linux

package doctor

// mailServers has nothing to look at: sockops is Linux's.
func (e *examination) mailServers() {}
