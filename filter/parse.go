package filter

// maxDepth bounds how deep parentheses and "not" may nest.
const maxDepth = 100

// expr is a node of the syntax tree of a condition.
type expr interface{}

type (
	// junction is "x and y" or "x or y".
	junction struct {
		and  bool
		x, y expr
	}
	// negation is "not x".
	negation struct{ x expr }
	// abbreviation is a protocol's name alone.
	abbreviation struct {
		proto protocol
		at    token
	}
	// operand is an address, a port or a protocol number with what
	// qualifies it, inherited or not.
	operand struct {
		qual   qualifiers
		at     token
		length *token // of addr/length
		mask   *token // of addr mask mask
	}
	// relation compares two numbers.
	relation struct {
		op   string // one of = != < <= > >=
		x, y arith
		at   token
	}
	// tag is "vlan".
	tag struct {
		at token
		id *token
	}
)

// qualifiers say what an operand is.
type qualifiers struct {
	proto protocol
	dir   direction
	typ   operandType
	ok    bool // false if absent
}

type direction uint8

const (
	dirEither direction = iota
	dirSrc
	dirDst
	dirBoth
)

type operandType uint8

const (
	typeHost operandType = iota
	typeNet
	typePort
	typePortRange
	typeProto
)

type parser struct {
	toks  []token
	pos   int
	depth int
}

// parse returns the tree of an expression, nil for the empty one.
func parse(text string) (expr, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	if p.peek().kind == tokenEnd {
		return nil, nil
	}
	x, _, err := p.expr(qualifiers{})
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		if word := similar(t.text); t.kind == tokenName && word != "" {
			return nil, t.errorf("neither a word of the filter language nor an address; is %s meant?", word)
		}
		return nil, t.errorf("expected and, or, or the end of the expression")
	}
	return x, nil
}

func (p *parser) peek() token { return p.peekAt(0) }

// peekAt looks n tokens ahead; behind the last token it sees that one again.
func (p *parser) peekAt(n int) token {
	return p.toks[min(p.pos+n, len(p.toks)-1)]
}

func (p *parser) next() token {
	t := p.peek()
	p.pos = min(p.pos+1, len(p.toks)-1)
	return t
}

// accept takes the next token when it is the keyword or operator given.
func (p *parser) accept(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(text string) error {
	if p.accept(text) {
		return nil
	}
	return p.peek().errorf("expected %s", text)
}

// nest counts one level more of nesting; the caller takes it back.
func (p *parser) nest(at token) error {
	if p.depth >= maxDepth {
		return at.errorf("nested more than %d deep", maxDepth)
	}
	p.depth++
	return nil
}

// expr reads terms joined by and and or, which bind alike. inherited are the
// qualifiers of the operand before; those of the last operand are returned.
func (p *parser) expr(inherited qualifiers) (expr, qualifiers, error) {
	x, q, err := p.term(inherited)
	for err == nil {
		and := p.peek().is("and")
		if !and && !p.peek().is("or") {
			return x, q, nil
		}
		p.next()
		var y expr
		if q.ok && p.atOperand() {
			y, err = p.operands(q)
		} else {
			y, q, err = p.term(q)
		}
		x = junction{and, x, y}
	}
	return nil, q, err
}

// atOperand reports whether an operand without qualifiers comes next, possibly
// behind "not" and parentheses.
func (p *parser) atOperand() bool {
	n := 0
	for p.peekAt(n).is("not") || p.peekAt(n).is("(") {
		n++
	}
	switch p.peekAt(n).kind {
	case tokenName, tokenIPv4, tokenIPv6, tokenMAC:
		return true
	case tokenNumber:
		pos := p.pos
		p.pos = min(pos+n, len(p.toks)-1)
		_, err := p.relation()
		p.pos = pos
		if err == nil {
			return false
		}
		if n > 0 { // (25 + len) = 80, with the parentheses part of the number
			_, ok := p.tryRelation()
			p.pos = pos
			return !ok
		}
		return true
	}
	return false
}

// operands reads an operand, or operands joined by and and or in parentheses,
// all with the same qualifiers.
func (p *parser) operands(q qualifiers) (expr, error) {
	t := p.next()
	switch {
	case t.is("not"), t.is("("):
		if err := p.nest(t); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		if t.text == "not" {
			x, err := p.operands(q)
			return negation{x}, err
		}
		return p.operandList(q)
	case t.kind == tokenEnd:
		return nil, t.errorf("expected %s", q.typ.what())
	case t.kind == tokenKeyword && q.typ == typeProto && protocols[t.text].layer == layerTransport:
		t.kind = tokenName // libpcap wants \tcp
	case t.kind == tokenKeyword && q.typ == typeProto && q.proto.layer == layerLink && protocols[t.text].layer == layerNetwork:
		t.kind = tokenName // and \ip
	case t.kind == tokenKeyword || t.kind == tokenOp:
		return nil, t.errorf("expected %s", q.typ.what())
	}
	if t.kind == tokenName && (q.typ == typeHost || q.typ == typeNet) {
		// Here, for what stands behind it is no better named.
		if word := similar(t.text); word != "" {
			return nil, t.errorf("neither a word of the filter language nor an address; is %s meant?", word)
		}
		return nil, t.errorf("names are not looked up; give an address")
	}
	o := operand{qual: q, at: t}
	if t.kind == tokenIPv4 || t.kind == tokenIPv6 {
		if p.accept("/") {
			length := p.next()
			if length.kind != tokenNumber {
				return nil, length.errorf("expected the length of a prefix")
			}
			o.length = &length
		} else if t.kind == tokenIPv4 && p.accept("mask") {
			mask := p.next()
			if mask.kind != tokenIPv4 {
				return nil, mask.errorf("expected a netmask such as 255.255.255.0")
			}
			o.mask = &mask
		}
	}
	return o, nil
}

// operandList reads what is in parentheses, and the closing one.
func (p *parser) operandList(q qualifiers) (expr, error) {
	x, err := p.operands(q)
	for err == nil {
		and := p.peek().is("and")
		if !and && !p.peek().is("or") {
			return x, p.expect(")")
		}
		p.next()
		var y expr
		y, err = p.operands(q)
		x = junction{and, x, y}
	}
	return nil, err
}

// what names what a type of operand wants, for errors.
func (t operandType) what() string {
	return [...]string{
		typeHost: "an address", typeNet: "a network such as 192.0.2.0/24", typePort: "a port",
		typePortRange: "a range of ports such as 6000-6008", typeProto: "a protocol",
	}[t]
}

// term reads one condition that is not joined to others, and the qualifiers it
// leaves for the operands behind it.
func (p *parser) term(inherited qualifiers) (expr, qualifiers, error) {
	if x, ok := p.tryRelation(); ok {
		return x, qualifiers{}, nil
	}
	t := p.peek()
	switch {
	case t.is("not"), t.is("("):
		if err := p.nest(t); err != nil {
			return nil, inherited, err
		}
		defer func() { p.depth-- }()
		p.next()
		if t.text == "not" {
			x, q, err := p.term(inherited)
			return negation{x}, q, err
		}
		// What is inside parentheses leaves no qualifiers behind.
		x, _, err := p.expr(inherited)
		if err == nil {
			err = p.expect(")")
		}
		return x, inherited, err
	case t.is("vlan"):
		x, err := p.tag()
		return x, qualifiers{}, err
	case t.is("ifindex"):
		x, err := p.ifIndex()
		return x, qualifiers{}, err
	case t.is("less"), t.is("greater"):
		x, err := p.length()
		return x, qualifiers{}, err
	case t.is("len"), t.is("-"), t.kind == tokenNumber && p.atArithmetic(1),
		protocols[t.text].word != "" && p.peekAt(1).is("["):
		x, err := p.relation() // for its error
		return x, qualifiers{}, err
	}
	return p.primitive()
}

// atArithmetic reports whether the token n ahead can continue a number.
func (p *parser) atArithmetic(n int) bool {
	t := p.peekAt(n)
	return t.kind == tokenOp && t.text != "(" && t.text != ")"
}

func (p *parser) tag() (expr, error) {
	x := tag{at: p.next()}
	n := 0
	for p.peekAt(n).is("(") {
		n++
	}
	if p.peekAt(n).kind != tokenNumber {
		return x, nil
	}
	p.pos += n
	id := p.next()
	x.id = &id
	for ; n > 0; n-- {
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// linkWords are the words about the link layer that stand alone.
var linkWords = map[string]linkWord{
	"inbound": wordInbound, "outbound": wordOutbound, "broadcast": wordBroadcast, "multicast": wordMulticast,
}

func (p *parser) ifIndex() (expr, error) {
	at, n := p.next(), p.next()
	if n.kind != tokenNumber {
		return nil, n.errorf("expected the number of an interface")
	}
	return notice{word: wordIfIndex, at: at, index: n.number}, nil
}

func (p *parser) length() (expr, error) {
	at, n := p.next(), p.next()
	if n.kind != tokenNumber {
		return nil, n.errorf("expected a length in bytes")
	}
	op := "<="
	if at.text == "greater" {
		op = ">="
	}
	return relation{op: op, x: wireLength{}, y: number(n.number), at: at}, nil
}

// primitive reads qualifiers and their operands, or a protocol's name alone.
func (p *parser) primitive() (expr, qualifiers, error) {
	first := p.peek()
	q := qualifiers{ok: true}
	if first.kind == tokenKeyword && protocols[first.text].word != "" {
		q.proto = protocols[p.next().text]
	}
	if p.accept("proto") {
		q.typ = typeProto
		x, err := p.operands(q)
		return x, q, err
	}
	if word, ok := linkWords[p.peek().text]; ok && p.peek().kind == tokenKeyword && (q.proto.word == "" || word >= wordBroadcast) {
		return notice{word: word, proto: q.proto, at: p.next()}, qualifiers{}, nil
	}
	hasDir := p.direction(&q)
	hasType := p.operandType(&q)
	if hasDir || hasType {
		x, err := p.operands(q)
		return x, q, err
	}
	if q.proto.word != "" {
		return abbreviation{q.proto, first}, qualifiers{}, nil
	}
	return nil, q, first.unexpected()
}

// unexpected is the error for a word no condition begins with.
func (t token) unexpected() error {
	switch t.kind {
	case tokenNumber, tokenIPv4, tokenIPv6:
		return t.errorf("needs a qualifier before it, such as host, net or port")
	case tokenMAC:
		return t.errorf("needs a qualifier before it, such as ether host")
	case tokenName:
		if word := similar(t.text); word != "" {
			return t.errorf("neither a word of the filter language nor an address; is %s meant?", word)
		}
		return t.errorf("not supported; supported are %s", supported)
	}
	return t.errorf("expected a condition")
}

func (p *parser) direction(q *qualifiers) bool {
	t := p.peek()
	if !t.is("src") && !t.is("dst") {
		return false
	}
	p.next()
	q.dir = dirSrc
	other := "dst"
	if t.text == "dst" {
		q.dir, other = dirDst, "src"
	}
	if !p.peekAt(1).is(other) {
		return true
	}
	switch {
	case p.accept("or"):
		p.next()
		q.dir = dirEither
	case p.accept("and"):
		p.next()
		q.dir = dirBoth
	}
	return true
}

// operandTypes are the words before an operand.
var operandTypes = map[string]operandType{"host": typeHost, "net": typeNet, "port": typePort, "portrange": typePortRange}

func (p *parser) operandType(q *qualifiers) bool {
	typ, ok := operandTypes[p.peek().text]
	if !ok || p.peek().kind != tokenKeyword {
		return false
	}
	p.next()
	q.typ = typ
	return true
}
