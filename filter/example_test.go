package filter_test

import (
	"errors"
	"fmt"

	"github.com/mxprint/mxprint/filter"
)

func Example() {
	const ethernet = 1
	p, err := filter.Compile("tcp dst port 25 and src net 192.0.2.0/24", filter.Config{Link: ethernet})
	if err != nil {
		fmt.Println(err)
		return
	}
	frame := make([]byte, 14+20+20)
	frame[12], frame[13] = 0x08, 0x00 // IPv4
	frame[14] = 0x45                  // header of 20 bytes
	frame[23] = 6                     // TCP
	copy(frame[26:], []byte{192, 0, 2, 9})
	frame[37] = 25 // destination port
	fmt.Println(p.Match(frame, len(frame)))
	frame[37] = 80
	fmt.Println(p.Match(frame, len(frame)))
	// Output:
	// true
	// false
}

func ExampleError() {
	_, err := filter.Compile("tcp and host mail.example.org", filter.Config{Link: 1})
	var e *filter.Error
	if errors.As(err, &e) {
		fmt.Println(e.Column, e.Word)
	}
	fmt.Println(err)
	// Output:
	// 14 mail.example.org
	// filter: "mail.example.org" at column 14: names are not looked up; give an address
}

func ExampleProgram_String() {
	// For the frames of a file; a packet socket needs KernelVLAN as well.
	p, err := filter.Compile("ip6", filter.Config{Link: 1, SnapLen: 96})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(p)
	// Output:
	// 4
	// 40 0 0 12
	// 21 0 1 34525
	// 6 0 0 96
	// 6 0 0 0
}
