package clienthello_test

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/mxprint/mxprint/clienthello"
)

// The hello comes in two pieces.
func ExampleHello_Parse() {
	stream, _ := hex.DecodeString("160301006d010000690303000000000000000000000000000000000000000000" +
		"0000000000000000000000000004130113020100003c00000013001100000e6d" +
		"782e6578616d706c652e6e6574000a00040002001d000d000600040403080400" +
		"2b0003020304003300080006001d0002abcd")
	var h clienthello.Hello
	for _, n := range []int{50, len(stream)} {
		switch err := h.Parse(stream[:n]); {
		case errors.Is(err, clienthello.ErrMore):
			fmt.Println(n, "bytes are not all")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(h.ServerName, h.JA4())
		}
	}
	// Output:
	// 50 bytes are not all
	// mx.example.net t13d020500_62ed6f6ca7ad_e12c865f31a5
}
