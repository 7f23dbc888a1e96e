// Package ext is where others extend Traefik's dynamic configuration. Nobody does here.
package ext

// HTTP adds nothing.
type HTTP struct{}

// Router adds nothing.
type Router struct{}
