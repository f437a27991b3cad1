// Command structure keeps the shape of this module in view. It prints which file of
// the root package uses which names of which other file, or the public API:
//
//	go run ./internal/structure         # what runs back up is bold
//	go run ./internal/structure -api    # what api.txt holds
//
// Its test fails when too many files use names of a file above them, when the root
// package grows past its limits, and when the API differs from api.txt.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	api := flag.Bool("api", false, "print the public API")
	flag.Parse()
	text, err := produce(*api)
	if err != nil {
		fmt.Fprintln(os.Stderr, "structure:", err)
		os.Exit(1)
	}
	fmt.Print(text)
}

func produce(api bool) (string, error) {
	packages, err := load()
	if err != nil {
		return "", err
	}
	if api {
		return listing(packages), nil
	}
	return table(arrows(packages[0])), nil
}
