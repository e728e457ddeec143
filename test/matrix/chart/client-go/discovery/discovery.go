// Package discovery: there is no cluster to ask (../../main.go).
package discovery

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Client knows of no resources.
type Client struct{}

// NewDiscoveryClientForConfig answers a client without a cluster.
func NewDiscoveryClientForConfig(*rest.Config) (*Client, error) {
	return &Client{}, nil
}

// ServerResourcesForGroupVersion always fails.
func (*Client) ServerResourcesForGroupVersion(string) (*metav1.APIResourceList, error) {
	return nil, errors.New("there is no cluster")
}
