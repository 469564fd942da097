// Shows the OpenAPI file; the bundle before this script brings SwaggerUIBundle.
const place = document.getElementById("api-docs");

window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  // Nothing is sent to the validator of somebody else's site.
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: false,
});
