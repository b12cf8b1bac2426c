package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/gateway"
	"github.com/protean-gateway/protean/graph"
	"github.com/protean-gateway/protean/schema"
)

func explainCommand(getenv func(string) string) *cobra.Command {
	from := &sources{getenv: getenv}
	operation := ""
	c := &cobra.Command{
		Use:   "explain QUERY|'VERB /path'|METHOD [ADDR…]",
		Short: "Print how an operation, a request or a method is carried out, and which policies hold",
		Long: `Plans a GraphQL operation without carrying it out, and prints the calls that it
makes: wave by wave, with the keys of joins and the policies of each method.

  protean explain '{ getBook(name: "books/emma") { title } }' localhost:50051

Of a REST request, it prints the route, the method and its policies:

  protean explain 'GET /v1/books/emma' localhost:50051

Of a method, it prints its routes and its policies. Each policy is said with the origin
and the selector that it is taken from, and where that stands:

  protean explain acme.catalog.v1.CatalogService/GetBook localhost:50051
` + sourcesHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := from.load(cmd, args[1:])
			if err != nil {
				return err
			}
			printProblems(cmd.ErrOrStderr(), loaded.Problems)
			if verb, path, ok := cutRequest(args[0]); ok {
				return explainRequest(cmd.OutOrStdout(), loaded, verb, path)
			}
			if m := methodNamed(loaded, args[0]); m != nil {
				return explainMethod(cmd.OutOrStdout(), loaded, m)
			}
			return explainOperation(cmd.OutOrStdout(), loaded, args[0], operation)
		},
	}
	c.Flags().StringVar(&operation, "operation", "", "the `NAME` of the operation, where the document has several")
	from.addTo(c)
	return c
}

// cutRequest takes `VERB /path` apart. A query string plays no part in finding a route.
func cutRequest(text string) (verb, path string, ok bool) {
	verb, path, ok = strings.Cut(strings.TrimSpace(text), " ")
	path, _, _ = strings.Cut(strings.TrimSpace(path), "?")
	return verb, path, ok && verb != "" && verb == strings.ToUpper(verb) && strings.HasPrefix(path, "/")
}

func explainRequest(out io.Writer, loaded *gateway.Loaded, verb, path string) error {
	r, ok := loaded.MatchRoute(verb, path)
	if !ok {
		return fmt.Errorf("no route for %s %s; `protean routes` prints all", verb, path)
	}
	fmt.Fprintf(out, "%s %s\n", r.Verb, r.Template)
	if r.Body != "" {
		fmt.Fprintf(out, "  body     %s\n", r.Body)
	}
	printMethod(out, "  ", r.Method, "")
	return nil
}

// methodNamed finds a method by `pkg.Service/Method`, with or without a slash before it, or
// by its full name; nil where there is none.
func methodNamed(loaded *gateway.Loaded, name string) *schema.Method {
	path := "/" + strings.TrimPrefix(strings.TrimSpace(name), "/")
	if end := strings.LastIndexByte(path, '.'); end > 0 && strings.Count(path, "/") == 1 {
		path = path[:end] + "/" + path[end+1:]
	}
	return loaded.Snapshot.Method(path)
}

func explainMethod(out io.Writer, loaded *gateway.Loaded, m *schema.Method) error {
	fmt.Fprintf(out, "%s\n", m.FullName())
	for _, r := range loaded.Routes() {
		if r.Method == m {
			fmt.Fprintf(out, "  route    %s %s\n", r.Verb, r.Template)
		}
	}
	printMethod(out, "  ", m, "")
	return nil
}

func explainOperation(out io.Writer, loaded *gateway.Loaded, document, name string) error {
	e, err := loaded.ExplainOperation(document, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: at least %s where every join has keys; at most %d, %d at once\n",
		e.Operation, counted(e.Calls, "call"), e.MaxCalls, e.MaxParallel)
	wave := 0
	for _, s := range e.Steps {
		if s.Wave != wave {
			wave = s.Wave
			fmt.Fprintf(out, "\nwave %d\n", wave)
		}
		printStep(out, s)
	}
	return nil
}

func printStep(out io.Writer, s graph.Step) {
	for _, path := range s.Paths {
		fmt.Fprintf(out, "  %s\n", path)
	}
	if s.Keys == 0 {
		printMethod(out, "    ", s.Method, "")
		return
	}
	printMethod(out, "    ", s.Method, ", once for "+eachOf(s.Keys))
	result := s.Result
	if result == "" {
		result = "the response"
	}
	fmt.Fprintf(out, "    %s\n    keys     %s → %s; result %s", s.Origin, s.Key, s.Argument, result)
	if s.ResultKey != "" {
		fmt.Fprintf(out, ", matched by %s", s.ResultKey)
	}
	fmt.Fprintln(out)
}

func eachOf(keys int) string {
	if keys == 1 {
		return "each key"
	}
	return fmt.Sprintf("each %d keys", keys)
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printMethod prints a method with its policies and where each was said.
func printMethod(out io.Writer, indent string, m *schema.Method, more string) {
	fmt.Fprintf(out, "%scalls    %s of backend %s%s\n", indent, m.FullName(), m.Service.Backend.Name, more)
	fields := m.Policy.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Policy.ProtoReflect().Has(fd) {
			continue
		}
		block := m.Policy.ProtoReflect().Get(fd).Message().Interface()
		text, err := protojson.Marshal(block)
		if err != nil {
			text = []byte("?")
		}
		fmt.Fprintf(out, "%spolicy   %s %s, said %s\n", indent, fd.Name(), compact(text), saidWhere(m, fd))
		if fd.Name() == "authorize" && m.Said[fd.Name()].By >= schema.ByOperator {
			printNarrowing(out, indent, m)
		}
	}
}

// printNarrowing prints what a .proto file says of authorize beside the operator: both must hold.
func printNarrowing(out io.Writer, indent string, m *schema.Method) {
	option, d := m.Options.GetPolicy().GetAuthorize(), protoreflect.Descriptor(m.Descriptor)
	if option == nil {
		option, d = m.Service.Options.GetPolicy().GetAuthorize(), m.Service.Descriptor
	}
	if option == nil {
		return
	}
	text, err := protojson.Marshal(option)
	if err != nil {
		text = []byte("?")
	}
	fmt.Fprintf(out, "%s         and authorize %s, said by the option of %s at %s\n", indent, compact(text), d.FullName(), schema.PositionOf(d))
}

// compact takes out the spaces that protojson puts in at random.
func compact(text []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return string(text)
	}
	return b.String()
}

// saidWhere tells which origin a kind of policy is taken from, by which selector, and where it stands.
func saidWhere(m *schema.Method, kind protoreflect.FieldDescriptor) string {
	said := m.Said[kind.Name()]
	where := "by " + said.By.String()
	if said.By >= schema.ByOperator {
		where += " for " + said.Selector
	}
	if said.Position != "" {
		where += " at " + said.Position
	}
	return where
}
