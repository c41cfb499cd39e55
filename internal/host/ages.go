package host

// ages orders records from the oldest to the newest, in up to firstRecord
// lists. The links lie apart from the records, eight to a cache line: who
// becomes the newest leaves two neighbours behind, whose records need not be
// touched for it.
type ages struct{ column[links] }

// links are a record's neighbours in its list. A list is a ring, which its own
// number closes: at that number stand its newest as the older, and its oldest as
// the newer.
type links struct{ older, newer uint32 }

func newAges(records int) ages {
	a := ages{newColumn[links](records)}
	a.reach(firstRecord - 1)
	for list := range uint32(firstRecord) {
		*a.at(list) = links{list, list}
	}
	return a
}

// push makes a record that is in no list the newest of one.
func (a *ages) push(list, n uint32) {
	a.reach(n)
	a.link(list, n)
}

func (a *ages) link(list, n uint32) {
	all := a.all
	end := &all[list]
	newest := end.older
	all[n] = links{older: newest, newer: list}
	all[newest].newer = n
	end.older = n
}

// drop takes a record out of its list.
func (a *ages) drop(n uint32) {
	all := a.all
	k := all[n]
	all[k.older].newer = k.newer
	all[k.newer].older = k.older
}

// touch makes a record the newest of its list.
func (a *ages) touch(list, n uint32) {
	if a.at(list).older != n {
		a.drop(n)
		a.link(list, n)
	}
}

// oldest returns the oldest record of a list, or none.
func (a *ages) oldest(list uint32) uint32 { return a.newer(list) }

// newer returns the next newer record, or none.
func (a *ages) newer(n uint32) uint32 {
	if n = a.at(n).newer; n < firstRecord {
		return none
	}
	return n
}
