// Command broker is an embedded broker in a process of its own, for tests that kill it. Its argument is the directory; it prints its address.
package main

import (
	"context"
	"fmt"
	"os"

	"rollcall/deploy/embedded"
)

func main() {
	broker, err := embedded.StartBroker(context.Background(), embedded.BrokerOptions{Dir: os.Args[1]})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(broker.Addr())
	select {}
}
