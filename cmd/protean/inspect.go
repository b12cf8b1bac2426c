package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/protean-gateway/protean/gateway"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

// loadTimeout bounds how long the commands that look wait for backends.
const loadTimeout = 30 * time.Second

func checkCommand(getenv func(string) string) *cobra.Command {
	return inspectCommand(getenv, inspection{
		use:   "check [ADDR…]",
		short: "Load the backends once and print every problem",
		long: `Loads the backends once, compiles what they offer and prints every problem with
where it is and how to fix it, the requests that several routes would take, with the one
that serves them, and the methods that are not in the graph. It exits with 1 where a backend would not be served.`,
		show: func(out, _ io.Writer, loaded *gateway.Loaded) error {
			if err := printCheck(out, loaded.Problems); err != nil {
				return err
			}
			printOverlaps(out, loaded.Overlaps(maxOverlaps))
			printMissing(out, loaded.Snapshot)
			fmt.Fprintf(out, "%d services, %d methods, %d REST routes, %d problems\n",
				len(loaded.Snapshot.Services), len(loaded.Snapshot.Methods), len(loaded.Routes()), len(loaded.Problems))
			for _, p := range loaded.Problems {
				if p.Severity == schema.Error {
					return errReported
				}
			}
			return nil
		},
	})
}

func routesCommand(getenv func(string) string) *cobra.Command {
	return inspectCommand(getenv, inspection{
		use:   "routes [ADDR…]",
		short: "Print the REST routes",
		long: `Prints every REST route with the method that it calls. Each method can also be
called as POST /pkg.Service/Method.`,
		show: func(out, stderr io.Writer, loaded *gateway.Loaded) error {
			printProblems(stderr, loaded.Problems)
			printRoutes(out, loaded.Routes())
			return nil
		},
	})
}

func sdlCommand(getenv func(string) string) *cobra.Command {
	subgraph := false
	c := inspectCommand(getenv, inspection{
		use:   "sdl [ADDR…]",
		short: "Print the GraphQL schema",
		long:  `Prints the GraphQL schema of all backends in the schema definition language.`,
		show: func(out, stderr io.Writer, loaded *gateway.Loaded) error {
			printProblems(stderr, loaded.Problems)
			sdl := loaded.SDL()
			if subgraph {
				sdl = loaded.SubgraphSDL()
			}
			if sdl == "" {
				return usagef(nil, "the graph is no subgraph; set graphql.federation in the configuration")
			}
			_, err := io.WriteString(out, sdl)
			return err
		},
	})
	c.Flags().BoolVar(&subgraph, "subgraph", false, "print it as a subgraph of Apollo Federation tells it")
	return c
}

func openAPICommand(getenv func(string) string) *cobra.Command {
	var format string
	var options translate.OpenAPIOptions
	c := inspectCommand(getenv, inspection{
		use:   "openapi [ADDR…]",
		short: "Print the REST routes as an OpenAPI document",
		long: `Prints a description of the REST routes in OpenAPI 3.1, as JSON or YAML. A gateway
serves the same at /openapi.json and /openapi.yaml.`,
		show: func(out, stderr io.Writer, loaded *gateway.Loaded) error {
			printProblems(stderr, loaded.Problems)
			return printOpenAPI(out, loaded.OpenAPI(options), format)
		},
	})
	f := c.Flags()
	f.StringVar(&format, "format", "yaml", "the `FORMAT`: json or yaml")
	f.StringVar(&options.Title, "title", "", "the `TITLE` of the API, in place of what the .proto files say")
	f.StringVar(&options.Version, "api-version", "", "the `VERSION` of the API, in place of what the .proto files say")
	f.BoolVar(&options.AllMethods, "all-methods", false, "describe POST /pkg.Service/Method also for methods with routes of their own")
	return c
}

func printOpenAPI(out io.Writer, document *translate.OpenAPI, format string) error {
	switch format {
	case "yaml":
		text, err := document.YAML()
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	case "json":
		text, err := document.JSON()
		if err != nil {
			return err
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "  "); err != nil {
			return err
		}
		indented.WriteByte('\n')
		_, err = indented.WriteTo(out)
		return err
	default:
		return usagef(nil, "--format %s: expected json or yaml", format)
	}
}

// inspection is a command that loads the backends once, looks, and exits.
type inspection struct {
	use, short, long string
	show             func(out, stderr io.Writer, loaded *gateway.Loaded) error
}

func inspectCommand(getenv func(string) string, i inspection) *cobra.Command {
	from := &sources{getenv: getenv}
	c := &cobra.Command{
		Use:   i.use,
		Short: i.short,
		Long:  i.long + "\n" + sourcesHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := from.load(cmd, args)
			if err != nil {
				return err
			}
			return i.show(cmd.OutOrStdout(), cmd.ErrOrStderr(), loaded)
		},
	}
	from.addTo(c)
	return c
}

// load loads everything once. It prints nothing.
func (s *sources) load(cmd *cobra.Command, addresses []string) (*gateway.Loaded, error) {
	config, err := s.read(cmd, addresses)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), loadTimeout)
	defer cancel()
	return gateway.Load(ctx, config)
}

// maxOverlaps is how many overlaps are worth reading.
const maxOverlaps = 50

func printOverlaps(out io.Writer, overlaps []translate.Overlap) {
	for _, o := range overlaps {
		fmt.Fprintf(out, "note: %s: %s %s of %s serves it, not %s %s of %s\n", o.Request,
			o.Serves.Verb, o.Serves.Template, o.Serves.Method.FullName(), o.Passed.Verb, o.Passed.Template, o.Passed.Method.FullName())
	}
}

// maxTemplateColumn is how wide the column of path templates may be. A longer template has the method behind it on the same
// line, so that it makes no other line longer.
const maxTemplateColumn = 60

func printRoutes(out io.Writer, routes []translate.Route) {
	verbs, templates := 0, 0
	for _, r := range routes {
		verbs = max(verbs, len(r.Verb))
		if len(r.Template) <= maxTemplateColumn {
			templates = max(templates, len(r.Template))
		}
	}
	for _, r := range routes {
		fmt.Fprintf(out, "%-*s  %-*s  %s\n", verbs, r.Verb, templates, r.Template, r.Method.FullName())
	}
}

// printMissing prints which methods are not in the graph and what would add them.
func printMissing(out io.Writer, snap *schema.Snapshot) {
	var bidirectional, hidden []string
	unary, queries := 0, 0
	for _, s := range snap.Services {
		for _, m := range s.Methods {
			switch {
			case m.ClientStreams && m.ServerStreams:
				bidirectional = append(bidirectional, m.FullName())
			case m.Operation == schema.Hidden:
				hidden = append(hidden, m.FullName())
			case m.Operation == schema.Query:
				queries++
			case !m.Streams():
				unary++
			}
		}
	}
	printNote(out, bidirectional, "not in the graph because it streams in both directions, which no option changes; gRPC, Connect and REST over WebSocket serve it")
	printNote(out, hidden, "not in the graph because of graphql.hidden or OPERATION_HIDDEN; without the option it is")
	if unary > 0 && queries == 0 {
		fmt.Fprintf(out, "note: no method is a query, so that the graph has mutations alone; idempotency_level = NO_SIDE_EFFECTS, a GET rule or graphql.operation = OPERATION_QUERY makes one\n")
	}
}

// maxNoted is how many methods a note names.
const maxNoted = 20

func printNote(out io.Writer, methods []string, what string) {
	for _, m := range methods[:min(len(methods), maxNoted)] {
		fmt.Fprintf(out, "note: %s: %s\n", m, what)
	}
	if more := len(methods) - maxNoted; more > 0 {
		fmt.Fprintf(out, "note: %s more: %s\n", counted(more, "method"), what)
	}
}

// printProblems prints each problem on a line, but those with GraphQL names: one line for each service or package, for which
// `protean check` has the details.
func printProblems(out io.Writer, problems []schema.Problem) {
	others, names := splitProblems(problems)
	for _, p := range others {
		fmt.Fprintln(out, p.String())
	}
	for _, group := range names {
		fmt.Fprintf(out, "%s; `protean check` lists them\n", namesHeading(group))
	}
}

// printCheck prints problems of backends that are not served first, and problems with GraphQL names in tables.
func printCheck(out io.Writer, problems []schema.Problem) error {
	others, names := splitProblems(problems)
	slices.SortStableFunc(others, func(a, b schema.Problem) int { return cmp.Compare(b.Severity, a.Severity) })
	for _, p := range others {
		fmt.Fprintln(out, p.String())
	}
	for _, group := range names {
		fmt.Fprintf(out, "%s; %s:\n", namesHeading(group), namesRemedy)
		table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
		for _, p := range group {
			fmt.Fprintf(table, "  %s\t%s\tis %s\n", p.Position, p.Element, p.Published)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	return nil
}

const namesRemedy = "the options graphql.name, graphql.prefix, graphql_name and graphql_type_prefix set other names"

// splitProblems separates problems with GraphQL names, which may be very many, from the others.
func splitProblems(problems []schema.Problem) (others []schema.Problem, names [][]schema.Problem) {
	var scoped []schema.Problem
	for _, p := range problems {
		if p.Scope == "" {
			others = append(others, p)
		} else {
			scoped = append(scoped, p)
		}
	}
	return others, schema.GroupByScope(scoped)
}

func namesHeading(group []schema.Problem) string {
	return fmt.Sprintf("warning: backend %q: %s: not unique: %s",
		group[0].Backend, group[0].Scope, counted(len(group), "GraphQL name"))
}
