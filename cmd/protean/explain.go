package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/protean-gateway/protean/gateway"
	"github.com/protean-gateway/protean/graph"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/schema"
)

func explainCommand(getenv func(string) string) *cobra.Command {
	from, client := &sources{getenv: getenv}, &adminClient{getenv: getenv}
	operation, running := "", false
	c := &cobra.Command{
		Use:   "explain QUERY|'VERB /path'|METHOD [ADDR…]",
		Short: "Print how an operation, a request or a method is carried out, and which policies hold",
		Long: `Plans a GraphQL operation without carrying it out, and prints the calls that it
makes: wave by wave, with the keys of joins and the policies of each method.

  protean explain '{ getBook(name: "books/emma") { title } }' localhost:50051

Of a REST request, it prints the route, the method and its policies:

  protean explain 'GET /v1/books/emma' localhost:50051

Of a method, it prints its routes and its policies. Each policy is said with the origin
and the selector that it is taken from, and where that stands. Fields of the answer that
policies hide from some callers follow, with what becomes of them:

  protean explain acme.catalog.v1.CatalogService/GetBook localhost:50051

With --running it asks a running gateway, which also knows what is registered with it and the
policies that were said to it:

  protean explain --running 'GET /v1/books/emma'
` + sourcesHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if running {
				return client.explain(cmd, args, operation)
			}
			loaded, err := from.load(cmd, args[1:])
			if err != nil {
				return err
			}
			printProblems(cmd.ErrOrStderr(), loaded.Problems)
			if verb, path, ok := cutRequest(args[0]); ok {
				return explainRequest(cmd.OutOrStdout(), loaded, verb, path)
			}
			if m := gateway.MethodNamed(loaded.Snapshot, args[0]); m != nil {
				return explainMethod(cmd.OutOrStdout(), loaded, m)
			}
			return explainOperation(cmd.OutOrStdout(), loaded, args[0], operation)
		},
	}
	c.Flags().StringVar(&operation, "operation", "", "the `NAME` of the operation, where the document has several")
	c.Flags().BoolVar(&running, "running", false, "ask a running gateway, which takes no addresses of backends")
	from.addTo(c)
	client.addTo(c)
	return c
}

// explain asks a running gateway.
func (a *adminClient) explain(cmd *cobra.Command, args []string, operation string) error {
	if err := a.read(cmd); err != nil {
		return err
	}
	if len(args) > 1 {
		return usagef(cmd, "a running gateway knows its backends; leave out %s, or --running", args[1])
	}
	in := &adminv1.ExplainRequest{}
	_, _, request := cutRequest(args[0])
	switch {
	case request:
		in.Request = args[0]
	case strings.ContainsAny(args[0], "{ \n"):
		in.Document, in.Operation = args[0], operation
	default:
		in.Method = args[0]
	}
	out := &adminv1.ExplainResponse{}
	if err := a.call(cmd.Context(), "Explain", in, out); err != nil {
		return err
	}
	return a.show(cmd, out, func(p *printer) { printExplained(p.out, out) })
}

func printExplained(out io.Writer, e *adminv1.ExplainResponse) {
	if e.GetRoute() != "" {
		fmt.Fprintln(out, e.GetRoute())
	}
	wave := int32(1)
	for _, call := range e.GetCalls() {
		if call.GetWave() != wave {
			wave = call.GetWave()
			fmt.Fprintf(out, "\nwave %d\n", wave)
		}
		for _, path := range call.GetPaths() {
			fmt.Fprintf(out, "  %s\n", path)
		}
		more := ""
		if call.GetKeys() > 0 {
			more = ", once for " + eachOf(int(call.GetKeys()))
		}
		printCall(out, "  ", call, more)
	}
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
	printMethod(out, "  ", loaded, r.Method, "")
	return nil
}

func explainMethod(out io.Writer, loaded *gateway.Loaded, m *schema.Method) error {
	fmt.Fprintf(out, "%s\n", m.FullName())
	for _, r := range loaded.Routes() {
		if r.Method == m {
			fmt.Fprintf(out, "  route    %s %s\n", r.Verb, r.Template)
		}
	}
	printMethod(out, "  ", loaded, m, "")
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
		printStep(out, loaded, s)
	}
	return nil
}

func printStep(out io.Writer, loaded *gateway.Loaded, s graph.Step) {
	for _, path := range s.Paths {
		fmt.Fprintf(out, "  %s\n", path)
	}
	if s.Keys == 0 {
		printMethod(out, "    ", loaded, s.Method, "")
		return
	}
	printMethod(out, "    ", loaded, s.Method, ", once for "+eachOf(s.Keys))
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
func printMethod(out io.Writer, indent string, loaded *gateway.Loaded, m *schema.Method, more string) {
	printCall(out, indent, loaded.Explain(m), more)
}

func printCall(out io.Writer, indent string, call *adminv1.ExplainedCall, more string) {
	fmt.Fprintf(out, "%scalls    %s of backend %s%s\n", indent, call.GetMethod(), call.GetBackend(), more)
	kind := ""
	for _, p := range call.GetPolicies() {
		if p.GetKind() == kind { // both must hold
			fmt.Fprintf(out, "%s         and %s %s, said by the option of %s%s\n", indent, kind, p.GetSaid(), p.GetSelector(), at(p.GetPosition()))
			continue
		}
		kind = p.GetKind()
		where := saidBy[p.GetOrigin()]
		if p.GetOrigin() >= adminv1.PolicyOrigin_POLICY_ORIGIN_CONFIGURATION {
			where += " for " + p.GetSelector()
		}
		fmt.Fprintf(out, "%spolicy   %s %s, said by %s%s\n", indent, kind, p.GetSaid(), where, at(p.GetPosition()))
	}
	for _, f := range call.GetFields() {
		where := saidBy[f.GetOrigin()]
		if f.GetOrigin() == adminv1.PolicyOrigin_POLICY_ORIGIN_ELEMENT {
			where = "the field's option"
		}
		fmt.Fprintf(out, "%sfield    %s %s, said by %s%s\n", indent, f.GetField(), fieldSaid(f.GetPolicy()), where, at(f.GetPosition()))
	}
}

var saidBy = map[adminv1.PolicyOrigin]string{
	adminv1.PolicyOrigin_POLICY_ORIGIN_SERVICE:       "the service's option",
	adminv1.PolicyOrigin_POLICY_ORIGIN_ELEMENT:       "the method's option",
	adminv1.PolicyOrigin_POLICY_ORIGIN_CONFIGURATION: "the operator",
	adminv1.PolicyOrigin_POLICY_ORIGIN_ADMIN:         "the admin API",
}

func at(position string) string {
	if position == "" {
		return ""
	}
	return " at " + position
}

// fieldSaid tells what becomes of a field.
func fieldSaid(p *policyv1.FieldPolicy) string {
	text := strings.ToLower(strings.TrimPrefix(p.GetAction().String(), "ACTION_"))
	if p.Mask != nil {
		text += fmt.Sprintf(" as %q", p.GetMask())
	}
	if p.GetUnless() != "" {
		text += " unless " + p.GetUnless()
	}
	return text
}
