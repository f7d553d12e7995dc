// Judges histories of registers with porcupine, as a second opinion on tests/src/register.rs.
//
// Each line of its input is one history of one key, in JSON. Where the line says what the other
// judge made of it, both have to agree; else the history has to be linearizable.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

// The longest line.
const maxLineBytes = 256 << 20

type operation struct {
	Action   string `json:"action"`
	Value    uint64 `json:"value"`
	Called   uint64 `json:"called"`
	Answered uint64 `json:"answered"`
}

type history struct {
	Name           string      `json:"name"`
	IsLinearizable *bool       `json:"is_linearizable"`
	Operations     []operation `json:"operations"`
}

type counts struct{ fine, broken, undecided, refuted int }

var register = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		if op := input.(operation); op.Action != "read" {
			return true, op.Value
		}
		return state.(uint64) == output.(uint64), state
	},
	DescribeOperation: func(input, _ any) string {
		op := input.(operation)
		return fmt.Sprintf("%s %x", op.Action, op.Value)
	},
	DescribeState: func(state any) string { return fmt.Sprintf("%x", state) },
}

// What porcupine takes: a write that was refused does not exist, and one of which nobody knows may
// happen at any time after its call.
func translate(all []operation) ([]porcupine.Operation, error) {
	var taken []porcupine.Operation
	for _, op := range all {
		answered := op.Answered
		switch op.Action {
		case "read", "write":
		case "uncertain":
			answered = math.MaxInt64
		case "refused":
			continue
		default:
			return nil, fmt.Errorf("unknown action %q", op.Action)
		}
		if op.Called > answered || answered > math.MaxInt64 {
			return nil, fmt.Errorf("impossible times: %+v", op)
		}
		taken = append(taken, porcupine.Operation{
			Input: op, Call: int64(op.Called), Output: op.Value, Return: int64(answered),
		})
	}
	return taken, nil
}

func judge(line []byte, timeout time.Duration, pictures string, n *counts) error {
	var h history
	if err := json.Unmarshal(line, &h); err != nil {
		return err
	}
	operations, err := translate(h.Operations)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	result := porcupine.CheckOperationsTimeout(register, operations, timeout)
	switch result {
	case porcupine.Ok:
		n.fine++
	case porcupine.Illegal:
		n.broken++
	case porcupine.Unknown:
		n.undecided++
		fmt.Printf("%s: undecided after %s\n", h.Name, timeout)
		return nil
	}
	if h.IsLinearizable == nil {
		if result == porcupine.Illegal {
			n.refuted++
			fmt.Printf("%s: not linearizable\n", h.Name)
			return draw(operations, timeout, filepath.Join(pictures, fmt.Sprintf("%d.html", n.broken)))
		}
	} else if *h.IsLinearizable != (result == porcupine.Ok) {
		n.refuted++
		fmt.Printf("%s: porcupine says %s, the line says otherwise: %s\n", h.Name, result, line)
	}
	return nil
}

func draw(operations []porcupine.Operation, timeout time.Duration, path string) error {
	_, info := porcupine.CheckOperationsVerbose(register, operations, timeout)
	if err := porcupine.VisualizePath(register, info, path); err != nil {
		return err
	}
	fmt.Printf("    see %s\n", path)
	return nil
}

func run() (bool, error) {
	timeout := flag.Duration("timeout", 30*time.Second, "for one history")
	pictures := flag.String("pictures", ".", "where to draw what is not linearizable")
	flag.Parse()
	var n counts
	var inputs []io.Reader
	for _, path := range flag.Args() {
		file, err := os.Open(path)
		if err != nil {
			return false, err
		}
		defer file.Close()
		inputs = append(inputs, file)
	}
	for _, input := range inputs {
		lines := bufio.NewScanner(input)
		lines.Buffer(nil, maxLineBytes)
		for lines.Scan() {
			if err := judge(lines.Bytes(), *timeout, *pictures, &n); err != nil {
				return false, err
			}
		}
		if err := lines.Err(); err != nil {
			return false, err
		}
	}
	fmt.Printf("porcupine: %d histories: %d linearizable, %d not, %d undecided, %d refuted\n",
		n.fine+n.broken+n.undecided, n.fine, n.broken, n.undecided, n.refuted)
	return n.refuted == 0 && n.undecided == 0 && n.fine+n.broken > 0, nil
}

func main() {
	ok, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	if !ok {
		os.Exit(1)
	}
}
