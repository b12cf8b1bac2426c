package graphql

import (
	"bufio"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/protean-gateway/protean/graph"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/schematest"
)

var pairs = flag.Int("pairs", 500, "random pairs of backends whose schema graphql-js reads")

// TestPairs has graphql-js read the schemas of random backends that share packages and disagree about kinds, shapes and names.
func TestPairs(t *testing.T) {
	install(t, ".")
	first := *seed
	if first == 0 {
		first = rand.Uint64() >> 1
	}
	t.Logf("-seed=%d", first)
	node := exec.CommandContext(t.Context(), "node", "pairs.mjs")
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	read, faults := 0, 0
	answers := bufio.NewReader(out)
	for i := range *pairs {
		at := first + uint64(i)
		r := rand.New(rand.NewPCG(at, 0))
		snapshot, _ := schema.Compile(schema.Input{Backends: schematest.Pair(r)})
		more := r.IntN(3)
		g, _ := graph.New(snapshot, nil, graph.Options{JoinsAIP: more > 0, Relay: more > 0, Federation: more > 1})
		if wrong := judge(t, in, answers, g.SDL()); wrong != "" {
			faults++
			t.Errorf("-seed=%d: %s\n%s", at, wrong, g.SDL())
		}
		if read++; faults == maxFaults {
			break
		}
	}
	_ = in.Close()
	if err := node.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("graphql-js read %d schemas of %d pairs", read, *pairs)
}

// judge returns what graphql-js finds wrong with an SDL document.
func judge(t *testing.T, in io.Writer, out *bufio.Reader, sdl string) (wrong string) {
	t.Helper()
	line, err := json.Marshal(sdl)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	answer, err := out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("graphql-js: %v", err)
	}
	if err := json.Unmarshal(answer, &wrong); err != nil {
		t.Fatal(err)
	}
	return wrong
}
