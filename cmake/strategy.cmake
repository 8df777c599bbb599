# add_strategy(ma_crossover) builds strategies/ma_crossover.c into build/strategies/ma_crossover.so.
# It links nothing but libc and libm: what it uses of lib/market is in headers.
function(add_strategy name)
  add_library(${name} MODULE ${name}.c)
  target_link_libraries(${name} PRIVATE m)
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/strategies)
endfunction()
