package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"testing"
)

// BenchmarkSYN is what a SYN costs among that many hosts, each as likely as any
// other, from frame to table.
func BenchmarkSYN(b *testing.B) {
	for _, hosts := range []int{10_000, 1_000_000, 4_000_000} {
		b.Run(strconv.Itoa(hosts), func(b *testing.B) {
			e := made(New(silent(b, Config{Hosts: Hosts{MaxHosts: hosts + 1}})))
			in := newInput(e, false)
			in.live = true
			g := fromClient(labFrame(b), labClient)
			seq := uint32(0)
			send := func(client uint32) {
				seq++
				binary.BigEndian.PutUint32(g.Data[14+12:], 10<<24+client)
				binary.BigEndian.PutUint32(g.Data[14+20+4:], seq)
				in.frame(g)
			}
			order := rand.Perm(hosts)
			for i := range hosts {
				send(uint32(order[i]))
			}
			order = rand.Perm(hosts)
			at := 0
			b.ResetTimer()
			for range b.N {
				if at++; at == hosts {
					at = 0
				}
				send(uint32(order[at]))
			}
		})
	}
}
