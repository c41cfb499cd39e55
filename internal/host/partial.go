package host

import "github.com/mxprint/mxprint/internal/http1"

// partials keeps HTTP headers that are not complete yet: one a flow, for a
// request is done with before its response begins. Data lies in pages, so that
// a flow takes what it has sent, and pages and records hold no pointers. The
// oldest give way where all together take more than they may.
type partials struct {
	slab[partialRec]
	pages slab[httpPage]
	age   ages
	bytes int
}

// httpPage is the unit in which data of headers is kept.
type httpPage [256]byte

// partialRec is one unfinished header.
type partialRec struct {
	flow   uint32
	size   uint16 // bytes of data
	reader http1.Reader
	pages  [http1.MaxData / len(httpPage{})]uint32
}

const (
	pageBytes    = len(httpPage{})
	partialBytes = 408 // of a partialRec and its links
)

// HTTPConnBytes is the most that an unfinished header of one connection takes.
const HTTPConnBytes = partialBytes + http1.MaxData

func newPartials() partials { return partials{age: newAges(0)} }

// with returns the state of a header, and its data with payload behind it, in
// buf.
func (p *partials) with(n uint32, payload []byte, buf *[http1.MaxData]byte) (http1.Reader, []byte) {
	rec := p.at(n)
	size := int(rec.size)
	for i := 0; i < size; i += pageBytes {
		copy(buf[i:size], p.pages.at(rec.pages[i/pageBytes])[:])
	}
	return rec.reader, buf[:size+copy(buf[size:], payload)]
}

// keepPartial keeps the state of a flow's header, and all its data.
func (t *Table) keepPartial(fl uint32, r *http1.Reader, data []byte) {
	f, p := t.flows.at(fl), &t.partial
	if f.partial == none {
		f.partial = p.take()
		p.at(f.partial).flow = fl
		p.age.push(0, f.partial)
		p.bytes += partialBytes
	}
	rec := p.at(f.partial)
	rec.reader = *r
	for at := int(rec.size); at < len(data); {
		page := &rec.pages[at/pageBytes]
		if *page == none {
			*page = p.pages.take()
			p.bytes += pageBytes
		}
		at += copy(p.pages.at(*page)[at%pageBytes:], data[at:])
	}
	rec.size = uint16(len(data))
	for p.bytes > t.cfg.HTTPBytes && p.age.oldest(0) != f.partial {
		t.destroyFlow(p.at(p.age.oldest(0)).flow)
	}
}

// dropPartial forgets the unfinished header of a flow, if it has one.
func (t *Table) dropPartial(f *flowRec) {
	if f.partial == none {
		return
	}
	p := &t.partial
	rec := p.at(f.partial)
	for _, page := range rec.pages {
		if page != none {
			p.pages.give(page)
			p.bytes -= pageBytes
		}
	}
	p.bytes -= partialBytes
	p.age.drop(f.partial)
	p.give(f.partial)
	f.partial = none
}
