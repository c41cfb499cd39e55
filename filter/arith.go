package filter

// arith is a node of the syntax tree of a number.
type arith interface{}

type (
	number     uint32
	wireLength struct{}
	negative   struct{ x arith }
	operation  struct {
		op   string
		x, y arith
		at   token
	}
	// load is data of the frame: size bytes at index behind the start of a
	// protocol's header.
	load struct {
		proto protocol
		at    token
		index arith
		size  uint32
	}
)

// tryRelation reads a comparison of numbers if one comes next; if not it reads
// nothing.
func (p *parser) tryRelation() (expr, bool) {
	pos := p.pos
	x, err := p.relation()
	if err != nil {
		p.pos = pos
		return nil, false
	}
	return x, true
}

func (p *parser) relation() (expr, error) {
	x, err := p.arith(0)
	if err != nil {
		return nil, err
	}
	t := p.peek()
	if _, ok := comparisons[t.text]; !ok {
		return nil, t.errorf("expected a comparison: = != < <= > >=")
	}
	p.next()
	y, err := p.arith(0)
	return relation{op: t.text, x: x, y: y, at: t}, err
}

// precedences say how an operator binds its left operand and its right one.
// The grammar of libpcap gives ^ and % no precedence, which makes them take
// their nearest left operand and all there is on the right.
var precedences = map[string]struct{ left, right int }{
	"|": {1, 2}, "&": {2, 3}, "<<": {3, 4}, ">>": {3, 4}, "+": {4, 5}, "-": {4, 5}, "*": {5, 6}, "/": {5, 6},
	"^": {8, 0}, "%": {8, 0},
}

const precedenceMinus = 7

// arith reads a number whose operators bind at least as tight as given.
func (p *parser) arith(atLeast int) (arith, error) {
	x, err := p.arithOperand()
	for err == nil {
		t := p.peek()
		binds, ok := precedences[t.text]
		if t.kind != tokenOp || !ok || binds.left < atLeast {
			return x, nil
		}
		if err = p.nest(t); err != nil {
			break
		}
		p.next()
		var y arith
		y, err = p.arith(binds.right)
		p.depth--
		x = operation{op: t.text, x: x, y: y, at: t}
	}
	return nil, err
}

func (p *parser) arithOperand() (arith, error) {
	t := p.peek()
	if err := p.nest(t); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	switch {
	case t.kind == tokenNumber:
		p.next()
		return number(t.number), nil
	case t.is("len"):
		p.next()
		return wireLength{}, nil
	case t.is("-"):
		p.next()
		x, err := p.arith(precedenceMinus)
		return negative{x}, err
	case t.is("("):
		p.next()
		x, err := p.arith(0)
		if err != nil {
			return nil, err
		}
		return x, p.expect(")")
	case t.kind == tokenKeyword && protocols[t.text].word != "":
		return p.load()
	}
	return nil, t.errorf("expected a number, len, or data such as tcp[13]")
}

func (p *parser) load() (arith, error) {
	t := p.next()
	x := load{proto: protocols[t.text], at: t, size: 1}
	err := p.expect("[")
	if err != nil {
		return nil, err
	}
	if x.index, err = p.arith(0); err != nil {
		return nil, err
	}
	if p.accept(":") {
		size := p.next()
		if size.kind != tokenNumber || size.number != 1 && size.number != 2 && size.number != 4 {
			return nil, size.errorf("expected a size of 1, 2 or 4 bytes")
		}
		x.size = size.number
	}
	return x, p.expect("]")
}
