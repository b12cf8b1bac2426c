package graph

import (
	"regexp"
	"strings"
	"testing"
)

// browser is what browsers send when a person types an address.
const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestBrowsersGetGraphiQL(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{})
	answer := exchange(t, server.Client(), server.URL, []byte("GET /graphql\n"+browser))
	for _, want := range []string{
		"200 OK", "Content-Type: text/html; charset=utf-8", "Content-Security-Policy: default-src 'none'", "<!doctype html>",
	} {
		if !strings.Contains(answer, want) {
			t.Errorf("the page has no %q:\n%s", want, answer)
		}
	}
}

// TestBrowsersGetGraphiQLForLinks opens a link with a query, which does not run before the user presses the button.
func TestBrowsersGetGraphiQLForLinks(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{})
	for _, query := range []string{"?query={__typename}", "?query=%7Bnothing%7D&variables=%7B%7D", "?query="} {
		answer := exchange(t, server.Client(), server.URL, []byte("GET /graphql"+query+"\n"+browser))
		if !strings.HasPrefix(answer, "200 OK") || !strings.Contains(answer, "<!doctype html>") {
			t.Errorf("%s: %.200s", query, answer)
		}
	}
}

func TestEveryFileOfGraphiQLIsServedAndNamesNoOtherHost(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{})
	types := map[string]string{
		"index.html": "text/html; charset=utf-8", "main.js": "text/javascript; charset=utf-8", "main.css": "text/css; charset=utf-8",
		"editor.worker.js": "text/javascript; charset=utf-8", "json.worker.js": "text/javascript; charset=utf-8",
		"graphql.worker.js": "text/javascript; charset=utf-8", "LICENSES": "text/plain; charset=utf-8",
	}
	if len(graphiqlBundle()) != len(types) {
		t.Errorf("the bundle has %d files, want %d", len(graphiqlBundle()), len(types))
	}
	loads := regexp.MustCompile(`(?:src|href)="(?:https?:)?//|@import\s|url\((?:"|')?(?:https?:)?//|importScripts\("https?:`)
	for name, contentType := range types {
		plain := exchange(t, server.Client(), server.URL, []byte("GET /graphql?graphiql="+name+"\nAccept-Encoding: identity"))
		if !strings.HasPrefix(plain, "200 OK") || !strings.Contains(plain, "Content-Type: "+contentType+"\n") {
			t.Errorf("%s: %.200s", name, plain)
		}
		if name != "LICENSES" {
			if found := loads.FindString(plain); found != "" {
				t.Errorf("%s loads from elsewhere: %s", name, found)
			}
		}
		packed := exchange(t, server.Client(), server.URL, []byte("GET /graphql?graphiql="+name+"\nAccept-Encoding: gzip"))
		if !strings.Contains(packed, "Content-Encoding: gzip") {
			t.Errorf("%s is not compressed: %.200s", name, packed)
		}
	}
}

func TestGraphiQLIsAskedAboutNotSentAgain(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{})
	etag := graphiqlBundle()["main.js"].etag
	answer := exchange(t, server.Client(), server.URL, []byte("GET /graphql?graphiql=main.js\nIf-None-Match: "+etag))
	if !strings.HasPrefix(answer, "304 ") {
		t.Errorf("got %.200s", answer)
	}
}

func TestWhoGetsNoGraphiQL(t *testing.T) {
	cases := []struct {
		name, request, want string
		options             HTTPOptions
	}{
		{"a client without Accept", "GET /graphql", "400 ", HTTPOptions{}},
		{"a GraphQL client", "GET /graphql\nAccept: application/json, text/html;q=0.5", "400 ", HTTPOptions{}},
		{"a client with a query that prefers JSON", "GET /graphql?query={__typename}\nAccept: application/json, text/html;q=0.9", "200 ", HTTPOptions{}},
		{"a client with a query and any Accept", "GET /graphql?query={__typename}\nAccept: */*", "200 ", HTTPOptions{}},
		{"a browser with a query, where it is off", "GET /graphql?query={__typename}\n" + browser, "200 ", HTTPOptions{GraphiQLDisabled: true}},
		{"an unknown file", "GET /graphql?graphiql=../LICENSES", "404 ", HTTPOptions{}},
		{"a browser, where it is off", "GET /graphql\n" + browser, "400 ", HTTPOptions{GraphiQLDisabled: true}},
		{"a file, where it is off", "GET /graphql?graphiql=main.js", "400 ", HTTPOptions{GraphiQLDisabled: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server, _ := serveShop(t, c.options)
			answer := exchange(t, server.Client(), server.URL, []byte(c.request))
			if !strings.HasPrefix(answer, c.want) || strings.Contains(answer, "<!doctype") {
				t.Errorf("got %.200s, want %s", answer, c.want)
			}
		})
	}
}
