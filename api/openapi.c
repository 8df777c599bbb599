/* openapi.c - api/openapi.yaml, in the program: what is served is what was tested. */
__asm__(".section .rodata\n"
        ".global openapi_yaml\n.global openapi_yaml_end\n"
        "openapi_yaml: .incbin \"" OPENAPI_YAML "\"\n"
        "openapi_yaml_end: .byte 0\n"
        ".text\n");

extern const char openapi_yaml[];
extern const char openapi_yaml_end[];
