// Package rest: there is no cluster to ask (../../main.go).
package rest

// Config says where a cluster would be.
type Config struct{}
