package main

import (
	"fmt"
	"os"
)

// cpuTimes is what the cores of a machine have done since it started, in ticks.
type cpuTimes struct{ worked, stolen uint64 }

// readCPUTimes reads the first line of /proc/stat (proc_stat(5)); without one
// nothing was stolen.
func readCPUTimes() (t cpuTimes) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t
	}
	var user, nice, system, idle, wait, irq, soft, stolen uint64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &stolen); err != nil {
		return t
	}
	return cpuTimes{user + nice + system + irq + soft, stolen}
}

// stolenSince is the share of the time that something wanted to run since then,
// and in which a virtual machine's host let others run.
func (t cpuTimes) stolenSince() float64 {
	now := readCPUTimes()
	worked, stolen := now.worked-t.worked, now.stolen-t.stolen
	return float64(stolen) / float64(max(worked+stolen, 1))
}
