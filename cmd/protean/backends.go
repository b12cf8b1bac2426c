package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

func backendsCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	c := &cobra.Command{
		Use:   "backends",
		Short: "List the backends of a running gateway",
		Long: `Lists the backends of a running gateway, configured and registered: address, where the
descriptors come from, owner, current revision, state, and number of services and problems.
--output json has all of it.`,
		Example: `  protean backends
  protean backends --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			out := &adminv1.ListBackendsResponse{}
			if err := client.call(cmd.Context(), "ListBackends", &adminv1.ListBackendsRequest{}, out); err != nil {
				return err
			}
			return client.show(cmd, out, func(p *printer) { p.backends(out) })
		},
	}
	client.addTo(c)
	return c
}

// backends prints a table. What is empty is a dash, so that programs can split lines at spaces.
func (p *printer) backends(out *adminv1.ListBackendsResponse) {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tADDRESS\tSOURCE\tOWNER\tREVISION\tSTATE\tCONNECTION\tSERVICES\tPROBLEMS")
	for _, b := range out.GetBackends() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n", plain(b.GetName()), orDash(plain(b.GetAddress())), orDash(b.GetSource()),
			orDash(plain(b.GetOwner())), orDash(short(b.GetRevision())), orDash(b.GetState()), orDash(b.GetConnection()),
			len(b.GetServices()), len(b.GetProblems()))
	}
	_ = t.Flush() // the output's errors show with what is printed next, as everywhere
	for _, b := range out.GetBackends() {
		if b.GetLoadError() != "" {
			fmt.Fprintf(p.out, "%s: %s\n", plain(b.GetName()), plain(b.GetLoadError()))
		}
	}
}
