package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/mxprint/mxprint/packet"
)

// labelledRow is one observation of a file. Members that
// the file has beside these do not count.
type labelledRow struct {
	OSFamily      string `json:"os_family"`
	OSCoarse      string `json:"os_coarse"`
	OSVersion     string `json:"os_version"`
	LabelConflict int    `json:"label_conflict"`
	Count         int    `json:"count"`

	IPVersion  int     `json:"ip_version"`
	TTL        uint8   `json:"ttl"` // as observed, or the initial one
	DF         int     `json:"df"`
	IPIDZero   *int    `json:"ip_id_zero"` // null: not zero
	TotalLen   int     `json:"ip_total_len"`
	TOS        uint8   `json:"tos"`
	ECN        int     `json:"ecn"`
	Flags      int     `json:"flags"` // of TCP, 0x100 = AE; 0: SYN
	Window     uint16  `json:"window"`
	Scale      *uint8  `json:"wscale"`
	MSS        *uint16 `json:"mss"`
	Options    string  `json:"options"` // in p0f's notation
	OptionsHex *string `json:"opt_hex"` // the bytes, where the source has them
	TS1Zero    int     `json:"ts1_zero"`
	TS2        *uint32 `json:"ts2"`
	Flow       *int    `json:"flow"` // 1: the IPv6 flow label is not zero
	OptLen     int     `json:"olen"` // bytes of IPv4 options
}

const (
	tcpHeader  = 20
	maxOptions = 40 // bytes of TCP options, and of IPv4 options
	maxTotal   = 1500
)

// frame builds the packet of a row, beginning with its IP header.
func (r *labelledRow) frame() ([]byte, error) {
	options, err := r.options()
	if err != nil {
		return nil, err
	}
	if r.OptLen < 0 || r.OptLen > maxOptions || r.OptLen%4 != 0 {
		return nil, fmt.Errorf("olen %d, want 0 to %d", r.OptLen, maxOptions)
	}
	tcp := r.tcp(options)
	switch r.IPVersion {
	case 4:
		return r.pad(append(r.ipv4(len(tcp)), tcp...)), nil
	case 6:
		return append(r.ipv6(len(tcp)), tcp...), nil
	}
	return nil, fmt.Errorf("ip_version %d, want 4 or 6", r.IPVersion)
}

// pad adds the payload that the total length has.
func (r *labelledRow) pad(b []byte) []byte {
	if more := r.TotalLen - len(b); more > 0 && r.TotalLen <= maxTotal {
		b = append(b, make([]byte, more)...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func (r *labelledRow) ipv4(payload int) []byte {
	b := make([]byte, 20+r.OptLen)
	b[0] = 0x40 | uint8(len(b)/4)
	b[1] = r.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+payload))
	if r.IPIDZero == nil || *r.IPIDZero == 0 {
		b[5] = 1
	}
	if r.DF != 0 {
		b[6] = 0x40
	}
	b[8], b[9] = r.TTL, 6
	copy(b[12:], []byte{192, 0, 2, 1, 192, 0, 2, 2})
	return b
}

func (r *labelledRow) ipv6(payload int) []byte {
	b := make([]byte, 40)
	b[0], b[1] = 0x60|r.TOS>>4, r.TOS<<4
	if r.Flow != nil && *r.Flow != 0 {
		b[3] = 1
	}
	binary.BigEndian.PutUint16(b[4:], uint16(payload))
	b[6], b[7] = 6, r.TTL
	copy(b[8:], []byte{0x20, 0x01, 0x0d, 0xb8})
	copy(b[24:], []byte{0x20, 0x01, 0x0d, 0xb8})
	b[23], b[39] = 1, 2
	return b
}

func (r *labelledRow) tcp(options []byte) []byte {
	b := make([]byte, tcpHeader, tcpHeader+len(options))
	binary.BigEndian.PutUint16(b[0:], 40000)
	binary.BigEndian.PutUint16(b[2:], 25)
	binary.BigEndian.PutUint32(b[4:], 1)
	flags := r.Flags & 0x1ff
	if flags == 0 {
		flags = packet.FlagSYN
	}
	if r.ECN != 0 && r.TOS&3 == 0 {
		flags |= packet.FlagECE | packet.FlagCWR
	}
	b[12] = uint8((tcpHeader+len(options))/4)<<4 | uint8(flags>>8)
	b[13] = uint8(flags)
	binary.BigEndian.PutUint16(b[14:], r.Window)
	return append(b, options...)
}

// options are the bytes of the TCP options.
func (r *labelledRow) options() ([]byte, error) {
	if r.OptionsHex != nil {
		b, err := hex.DecodeString(*r.OptionsHex)
		if err != nil || len(b) > maxOptions || len(b)%4 != 0 {
			return nil, fmt.Errorf("opt_hex %q is no option field", *r.OptionsHex)
		}
		return b, nil
	}
	var b []byte
	unknown := -1 // where an option of unknown length stands
	for _, name := range strings.Split(r.Options, ",") {
		more, err := r.option(name)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(name, "?") {
			unknown = len(b)
		}
		if b = append(b, more...); len(b) > maxOptions {
			return nil, fmt.Errorf("options %q take more than %d bytes", r.Options, maxOptions)
		}
	}
	if short := (4 - len(b)%4) % 4; short > 0 {
		if unknown < 0 || len(b)+short > maxOptions {
			return nil, fmt.Errorf("options %q fill no header: %d bytes", r.Options, len(b))
		}
		b[unknown+1] += uint8(short)
		end := unknown + 2
		b = append(b[:end:end], append(make([]byte, short), b[end:]...)...)
	}
	return b, nil
}

// option is the bytes of one option. What the row does not know is one that
// shows in no signature.
func (r *labelledRow) option(name string) ([]byte, error) {
	switch name {
	case "":
		return nil, nil
	case "nop":
		return []byte{packet.OptNOP}, nil
	case "mss":
		if r.MSS == nil {
			return nil, fmt.Errorf("options %q, but no mss", r.Options)
		}
		return binary.BigEndian.AppendUint16([]byte{packet.OptMSS, 4}, *r.MSS), nil
	case "ws":
		if r.Scale == nil {
			return nil, fmt.Errorf("options %q, but no wscale", r.Options)
		}
		return []byte{packet.OptWS, 3, *r.Scale}, nil
	case "sok":
		return []byte{packet.OptSOK, 2}, nil
	case "sack":
		return append([]byte{packet.OptSACK, 10}, make([]byte, 8)...), nil
	case "ts":
		return r.timestamps(), nil
	}
	if pad, ok := strings.CutPrefix(name, "eol+"); ok {
		if n, err := strconv.ParseUint(pad, 10, 8); err == nil && n < maxOptions {
			return make([]byte, 1+n), nil
		}
	}
	if kind, ok := strings.CutPrefix(name, "?"); ok {
		if n, err := strconv.ParseUint(kind, 10, 8); err == nil {
			return []byte{uint8(n), 2}, nil
		}
	}
	return nil, fmt.Errorf("unknown option %q", name)
}

func (r *labelledRow) timestamps() []byte {
	own, peer := uint32(1), uint32(0)
	if r.TS1Zero != 0 {
		own = 0
	}
	if r.TS2 != nil {
		peer = *r.TS2
	}
	b := binary.BigEndian.AppendUint32([]byte{packet.OptTS, 10}, own)
	return binary.BigEndian.AppendUint32(b, peer)
}
