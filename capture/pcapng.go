package capture

import (
	"bufio"
	"fmt"
	"io"

	"github.com/gopacket/gopacket/pcapgo"
)

// What a pcapng may hold beside its frames, so that a hostile one cannot fill
// the memory: pcapgo keeps every interface and every name.
const (
	maxBetween    = 4 << 20 // bytes from one frame to the next
	maxInterfaces = 4096
	maxNames      = 1 << 16
	ngBuffer      = 64 << 10 // bytes, behind the window
)

// pcapNG is the inside of a pcapng file.
type pcapNG struct {
	in   *limited
	br   *bufio.Reader
	ng   *pcapgo.NgReader
	good int64 // offset of the end of the last good frame
}

func newPcapNG(w *window) (p *pcapNG, err error) {
	p = &pcapNG{in: &limited{r: w, limit: maxBetween}}
	// pcapgo uses a big enough bufio.Reader as it is, so what is buffered here
	// tells how far it has read.
	p.br = bufio.NewReaderSize(p.in, ngBuffer)
	defer rescue(&err)
	p.ng, err = pcapgo.NewNgReader(p.br, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	p.good = p.consumed()
	return p, err
}

func (p *pcapNG) next(f *Frame) (err error) {
	defer rescue(&err)
	p.in.limit = p.in.pos + maxBetween
	data, ci, err := p.ng.ZeroCopyReadPacketData()
	if err != nil {
		return err
	}
	if len(data) > maxFrame {
		return errTooBig
	}
	if p.ng.NInterfaces() > maxInterfaces || p.ng.NNames() > maxNames {
		return errTooManyMeta
	}
	iface, err := p.ng.Interface(ci.InterfaceIndex)
	if err != nil {
		return err
	}
	*f = Frame{Data: data, WireLen: ci.Length, Link: linkType(uint32(iface.LinkType))}
	if !ci.Timestamp.IsZero() { // a simple packet block has no time
		f.Time = ci.Timestamp.UnixMicro()
	}
	p.good = p.consumed()
	return nil
}

func (p *pcapNG) offset() int64 { return p.good }

func (p *pcapNG) consumed() int64 { return p.in.pos - int64(p.br.Buffered()) }

func (p *pcapNG) waiting() bool { return p.br.Buffered() == 0 }

// rescue turns a panic of pcapgo on a damaged file into the error it should
// have been. Nothing but pcapgo runs under it: the caller's fn does not.
func rescue(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("cannot be read: %v", v)
	}
}

// limited counts what is read from a file, and ends the reading where limit
// says so.
type limited struct {
	r          io.Reader
	pos, limit int64 // in bytes
}

func (l *limited) Read(p []byte) (int, error) {
	if l.pos >= l.limit {
		return 0, errTooFar
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.limit-l.pos)])
	l.pos += int64(n)
	return n, err
}
